"""The Pools contract: how many tasks may execute at once, and where; and what is paused."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec

from windlass.core.shares import Share
from windlass.store.facts import Note


class KindFacts(msgspec.Struct, frozen=True):
    """What a node registers of a kind: the defaults for those who enqueue in SQL."""

    name: str
    pool: str
    attempts: int
    pause: float
    start_within: float | None = None
    run_limit: float | None = None
    silence_limit: float | None = None
    joins_running: bool = False


class PoolFacts(msgspec.Struct, frozen=True):
    """A pool as one node sees it.  `has_due`: something that this node can run is due (only where it asked)."""

    name: str
    slots: int
    paused_by: str | None
    has_due: bool
    shares: tuple[Share, ...]


class Pools(ABC):
    @abstractmethod
    async def register(self, pools: Mapping[str, int], kinds: Sequence[KindFacts]) -> None:
        """Make known what this node is configured with, at its start.

        A pool that is new gets its slots; one whose configured number is another than last time gets the new number.
        """

    @abstractmethod
    async def look(self, unsure: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[PoolFacts]:
        """Every pool now, by name: a read.  `unsure`: where to look whether something of these kinds is due."""

    @abstractmethod
    async def share(self, node: int, pool: str, in_use: int, *, hungry: bool) -> int:
        """How many slots of the pool `node` may fill from now on (core/shares.py); 0 when its lease has run out.

        What runs beyond that runs on, and is its own until it has said here that it is fewer.  Hints `pool` when the
        others' shares may change by that.
        """

    @abstractmethod
    async def resize(self, pool: str, slots: int, note: Note | None = None) -> None:
        """Change a pool's slots, everywhere and at once.  Raises `PoolNotFound`."""

    @abstractmethod
    async def pause_pool(self, pool: str, by: str, reason: str, note: Note | None = None) -> None:
        """Start nothing more in a pool; what runs goes on.  Raises `PoolNotFound`.  The first who pauses is kept."""

    @abstractmethod
    async def resume_pool(self, pool: str, note: Note | None = None) -> None:
        """Raises `PoolNotFound`."""

    @abstractmethod
    async def pause_kind(self, kind: str, by: str, reason: str, note: Note | None = None) -> None:
        """Start no more tasks of a kind.  Raises `KindNotFound`."""

    @abstractmethod
    async def resume_kind(self, kind: str, note: Note | None = None) -> None:
        """Raises `KindNotFound`."""
