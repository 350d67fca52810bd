"""The Upkeep contract: what keeps a store from growing for ever.

All of it is the leader's: each call names the term it was made under, and does nothing once that is over.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum

import msgspec

from windlass.core.lifecycle import State
from windlass.store.facts import Membership


class Roll(StrEnum):
    """What a call did.  BUSY: somebody holds what it needs; ask again soon."""

    NONE = "none"
    AHEAD = "ahead"
    ROLLED = "rolled"
    BUSY = "busy"


class Retention(msgspec.Struct, frozen=True):
    """How long what has ended is kept, in seconds: the shortest of what `states` and `kinds` say, else `longest`."""

    longest: float
    states: Mapping[State, float] = {}
    kinds: Mapping[str, float] = {}

    @property
    def is_uniform(self) -> bool:
        return not self.states and not self.kinds


class Pruned(msgspec.Struct, frozen=True):
    """`after` is where the next look goes on, None at the end; `tasks` were removed."""

    after: int | None
    tasks: int


class Upkeep(ABC):
    @abstractmethod
    async def roll(self, membership: Membership, period: float) -> Roll:
        """Go on to the next set of partitions when the present one is `period` seconds old or nearly full.

        Ids only grow, and an id has a place whether or not anybody rolls.
        """

    @abstractmethod
    async def drop(self, membership: Membership, longest: float) -> int:
        """Drop the oldest sets of which every task ended more than `longest` seconds ago; how many sets."""

    @abstractmethod
    async def prune(self, membership: Membership, retention: Retention, after: int, limit: int) -> Pruned:
        """Look at up to `limit` ended tasks above the id `after`, and remove those whose time is over."""

    @abstractmethod
    async def expire(self, membership: Membership, requests: float, nodes: float) -> int:
        """Remove request ids, coalesce keys of ended tasks (as old), and nodes that have gone; how many.

        `requests` and `nodes` are seconds.
        """

    @abstractmethod
    async def vacuum(self, membership: Membership) -> list[str]:
        """Clear tables that turn over fast where the server looks at them too seldom; which ones."""
