"""The Survey contract: the whole at a glance, at a cost that does not grow with what waits or was.

Everything here is a read, and bounded: counts stop at a cap, lists are of each pool the first.  Nothing is asked on a
schedule: whoever looks at the picture pays for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

import msgspec

from windlass.core.lifecycle import State
from windlass.core.vitals import COUNT_CAP, KindEnds, KindWaiting, NodeVitals, PoolVitals
from windlass.store.facts import TaskFacts
from windlass.store.lanes import LaneFacts, Standing

LISTED_EACH = 100
"""Of each pool."""
LISTED_IN_ALL = 1_000
KEYED_CAP = 1_000
"""Tasks with a coalesce key that are looked at, in each place where they stand."""
FIRST_WAITING = 1_000
"""Of each pool, in claim order: which kinds they are of."""
LAST_ENDS = 1_000
MOST_LANES = 100
LONGEST_LINE = 100
NODES_CAP = 1_000

__all__ = ["COUNT_CAP", "CoalescingFacts", "Depths", "Executing", "PooledStanding", "Survey"]


class Depths(msgspec.Struct, frozen=True):
    """How much stands where, in one snapshot.  `time` is the store's clock."""

    time: datetime
    pools: tuple[PoolVitals, ...]


class Executing(msgspec.Struct, frozen=True):
    """A task that runs, or is being interrupted.  `last_word_at`: when anything was heard of it.

    `run_limit`: its own, or its kind's.  `is_resident`: it is never to be done.
    """

    task: TaskFacts
    interrupt_at: datetime | None
    run_limit: float | None
    last_word_at: datetime | None
    is_resident: bool


class CoalescingFacts(msgspec.Struct, frozen=True):
    """A task with a coalesce key that has not ended.  `of_pool`: how many there are in its pool, as far as looked."""

    task: int
    kind: str
    key: str
    title: str
    pool: str
    state: State
    created_at: datetime
    joined: int
    of_pool: int


class PooledStanding(Standing, frozen=True):
    """Whose it is decides who may see it."""

    pool: str = ""


class Survey(ABC):
    @abstractmethod
    async def depths(self) -> Depths:
        """Every pool by name, those too that no node registered but tasks are in."""

    @abstractmethod
    async def executing(self, quiet: float) -> list[Executing]:
        """Of each pool the tasks that execute, the first started first; at most `LISTED_EACH`.

        Words are looked up only for those that began more than `quiet` seconds ago.
        """

    @abstractmethod
    async def coalescing(self) -> list[CoalescingFacts]:
        """Of each pool the tasks with a coalesce key that have not ended, the oldest first; at most `LISTED_EACH`."""

    @abstractmethod
    async def busy_lanes(self) -> list[LaneFacts]:
        """The lanes with a holder or waiters (`PooledStanding`), by name: at most `MOST_LANES`, with as long a line."""

    @abstractmethod
    async def waiting_kinds(self) -> list[KindWaiting]:
        """Which kinds the first `FIRST_WAITING` due tasks of each pool are of."""

    @abstractmethod
    async def ends(self, window: float) -> list[KindEnds]:
        """How tasks ended in the last `window` seconds, as far as the newest `LAST_ENDS` that are over tell."""

    @abstractmethod
    async def nodes(self, window: float) -> NodeVitals:
        """Who is alive, and who was lost in the last `window` seconds, the last one first."""
