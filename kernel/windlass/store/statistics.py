"""The Statistics contract: what is counted, and how deep the queue is, at a cost that does not grow with either.

Nodes count for themselves and write their numbers down about once a second: a row that many update would be the
slowest of all.  Depths are read from the queue, up to a cap.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import IntEnum

import msgspec

from windlass.store.facts import Membership

DEPTH_CAP = 10_000


class PriorityClass(IntEnum):
    """By the lowest priority in it."""

    LOW = -32_768
    MEDIUM = 5
    HIGH = 10

    @classmethod
    def of(cls, priority: int) -> PriorityClass:
        return next(each for each in (cls.HIGH, cls.MEDIUM, cls.LOW) if priority >= each)


class Counts(msgspec.Struct, frozen=True):
    """How often each thing happened to tasks of a pool and kind.  What nodes lost is not told apart: both are empty.

    `waited_ms`: milliseconds from when a task was due until it started, over all that started.
    """

    pool: str
    kind: str
    enqueued: int = 0
    claimed: int = 0
    started: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    canceled: int = 0
    lost: int = 0
    waited_ms: int = 0


class Depth(msgspec.Struct, frozen=True):
    """What is due in a pool and waits for a worker: how many (`DEPTH_CAP` + 1: more), and seconds of the oldest."""

    pool: str
    priority: PriorityClass
    waiting: int
    oldest: float

    @property
    def is_more(self) -> bool:
        return self.waiting > DEPTH_CAP


class ConnectionFacts(msgspec.Struct, frozen=True):
    """This process's connections to the store; `waiting`: calls that wait for one."""

    most: int
    idle: int
    used: int
    waiting: int


class Backlog(msgspec.Struct, frozen=True):
    """`deferred`: what is not due yet, in all pools, with the same cap."""

    depths: tuple[Depth, ...]
    deferred: int


class Statistics(ABC):
    @abstractmethod
    async def flush(self, node: int, counts: Sequence[Counts]) -> bool:
        """Write down what `node` has counted under its epoch so far; again and again, each time the whole number.

        False when its lease is over: what it counted since its last flush is then for its next epoch.
        """

    @abstractmethod
    async def merge(self, membership: Membership) -> int:
        """Add up what nodes counted that are gone, so that rows don't pile up; how many nodes.  Only the leader's."""

    @abstractmethod
    async def counts(self) -> list[Counts]:
        """Everything counted so far by all nodes, by pool and kind."""

    @abstractmethod
    async def backlog(self) -> Backlog:
        """How much waits; reads at most `DEPTH_CAP` + 1 rows for each pool and class."""
