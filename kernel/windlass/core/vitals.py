"""What health is decided from: how much stands where at one moment, and what was seen a while before.

All times are the store's.  Counts of tasks stop at `COUNT_CAP` + 1, which means more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol

import msgspec

COUNT_CAP = 10_000
SAMPLE_SECONDS = 10.0
LONGEST_GAP = 120.0
"""Seconds between two samples.  Beyond it nobody can say what was in between, so what came before is forgotten."""
KEPT_SECONDS = 900.0


class PoolVitals(msgspec.Struct, frozen=True):
    """A pool, or what stands in one that no node has registered (without slots).

    `in_use`: tasks that execute; `held`: those and what nodes have claimed and not started.  `waiting`: due, and in
    nobody's hands; `oldest_at` is when the first of them became due.
    """

    name: str
    slots: int = 0
    paused_at: datetime | None = None
    paused_by: str | None = None
    pause_reason: str = ""
    in_use: int = 0
    held: int = 0
    waiting: int = 0
    oldest_at: datetime | None = None
    deferred: int = 0
    blocked: int = 0

    @property
    def is_more(self) -> bool:
        return self.waiting > COUNT_CAP

    @property
    def is_paused(self) -> bool:
        return self.paused_by is not None


class KindWaiting(msgspec.Struct, frozen=True):
    """What is due of one kind among the first of a pool.

    `able_nodes`: live nodes that have a handler for it, and that nobody drains.
    """

    pool: str
    kind: str
    waiting: int
    oldest_at: datetime
    is_paused: bool
    able_nodes: int


class KindEnds(msgspec.Struct, frozen=True):
    """How the last tasks of a kind and pool ended; those that were canceled say nothing and are not among them.

    `streak`: how many of the newest failed in a row, the first of them at `streak_at`.  `at_limit`: they failed when
    no attempts were left.
    """

    pool: str
    kind: str
    ended: int
    failed: int
    at_limit: int
    streak: int
    streak_at: datetime | None
    first_failed_at: datetime | None
    last_failed_at: datetime | None


class RunVitals(msgspec.Struct, frozen=True):
    """One task that executes.  `last_word_at`: when anything was heard of it, its start included.

    `patience`: seconds that its kind's interrupt ladder may take.
    """

    task: int
    pool: str
    kind: str
    node: str
    started_at: datetime | None
    last_word_at: datetime | None
    interrupt_at: datetime | None
    run_limit: float | None
    is_resident: bool
    patience: float


class LostNode(msgspec.Struct, frozen=True):
    id: int
    name: str
    at: datetime


class NodeVitals(msgspec.Struct, frozen=True):
    """`live`: nodes; `agents`: live ones.  `draining`, `draining_agents`: how many of these take no more tasks.

    `last_alive_at`: when the last of them was known to be alive, when none is any more.
    """

    live: int
    draining: int = 0
    last_alive_at: datetime | None = None
    lost: tuple[LostNode, ...] = ()
    agents: int = 0
    draining_agents: int = 0

    @property
    def all_drained(self) -> bool:
        return 0 < self.live == self.draining


class Counted(Protocol):
    """What was counted so far of a pool and kind; it only grows (`store.statistics.Counts`)."""

    @property
    def pool(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def enqueued(self) -> int: ...
    @property
    def claimed(self) -> int: ...
    @property
    def succeeded(self) -> int: ...
    @property
    def failed(self) -> int: ...
    @property
    def retried(self) -> int: ...


class Vitals(msgspec.Struct, frozen=True):
    """Everything at one moment."""

    at: datetime
    nodes: NodeVitals
    pools: tuple[PoolVitals, ...] = ()
    waiting: tuple[KindWaiting, ...] = ()
    runs: tuple[RunVitals, ...] = ()
    ends: tuple[KindEnds, ...] = ()
    counts: tuple[Counted, ...] = ()


class Sample(msgspec.Struct, frozen=True):
    """What is kept of a moment."""

    at: datetime
    pools: Mapping[str, PoolVitals]
    counts: Mapping[tuple[str, str], Counted]


class Samples:
    """The last quarter of an hour, as far as somebody looked; one sample for each ten seconds at most."""

    def __init__(self) -> None:
        self._kept: deque[Sample] = deque()

    def add(self, vitals: Vitals) -> None:
        if self._kept:
            passed = (vitals.at - self._kept[-1].at).total_seconds()
            if 0 <= passed < SAMPLE_SECONDS:
                return
            if not 0 <= passed <= LONGEST_GAP:
                self._kept.clear()
        counts = {(each.pool, each.kind): each for each in vitals.counts}
        self._kept.append(Sample(vitals.at, {pool.name: pool for pool in vitals.pools}, counts))
        while (vitals.at - self._kept[0].at).total_seconds() > KEPT_SECONDS:
            self._kept.popleft()

    def before(self, now: datetime, seconds: float) -> Sample | None:
        """The newest that is at least so old."""
        return next((sample for sample in self.newest_first() if (now - sample.at).total_seconds() >= seconds), None)

    def newest_first(self) -> Iterator[Sample]:
        return reversed(self._kept)

    @property
    def oldest(self) -> Sample | None:
        return self._kept[0] if self._kept else None
