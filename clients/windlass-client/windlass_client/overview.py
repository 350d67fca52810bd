"""`client.overview`: the whole at one moment, and kept current."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from windlass_proto.v1 import overview_service_pb2, overview_service_pb2_grpc

from windlass_client.cluster import Lane, Pool
from windlass_client.connection import LONGEST_STREAM_S, Connection
from windlass_client.errors import WindlassError
from windlass_client.reading import read
from windlass_client.resources import State, Task
from windlass_client.watching import follow


class Severity(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


@dataclass(frozen=True, slots=True)
class Counts:
    """Of all nodes there ever were: they only grow.  Take the difference of two pictures for rates.

    `waited`: seconds from when a task was due until it started, over all that started.
    """

    enqueued: int
    claimed: int
    started: int
    succeeded: int
    failed: int
    retried: int
    canceled: int
    lost: int
    waited: float = 0.0


@dataclass(frozen=True, slots=True)
class Coalescing:
    """A task with a coalesce key that has not ended, and how many requests have joined it."""

    task: int
    kind: str
    key: str
    title: str
    state: State
    joined: int
    create_time: datetime | None


@dataclass(frozen=True, slots=True)
class HealthSignal:
    """Something to look at: `name` is a stable word, `checks` are in the order to take; `since` in seconds."""

    name: str
    severity: Severity
    summary: str
    checks: tuple[str, ...]
    subjects: tuple[str, ...]
    since: float | None


@dataclass(frozen=True, slots=True)
class SectionLine:
    name: str
    value: str
    is_alarming: bool


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the picture that a plugin adds: lines for people, and the same and more as JSON."""

    name: str
    title: str
    summary: str
    lines: tuple[SectionLine, ...]
    data: Any


@dataclass(frozen=True, slots=True)
class Picture:
    """What runs, what waits, and what to look at.  Lists hold at most 100, numbers stop at 10,000."""

    time: datetime | None
    is_idle: bool
    summary: str
    pools: tuple[Pool, ...]
    active: tuple[Task, ...]
    active_count: int
    deferred: int
    blocked: int
    coalescing: tuple[Coalescing, ...]
    lanes: tuple[Lane, ...]
    signals: tuple[HealthSignal, ...]
    sections: tuple[Section, ...]
    live_nodes: int
    counts: Counts
    coalescing_count: int = 0
    """How many tasks with a coalesce key have not ended, beyond those in `coalescing` too."""
    live_agents: int = 0
    draining: int = 0
    """Of the live nodes and agents, those that take no more tasks."""


class Overview:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = overview_service_pb2_grpc.OverviewStub(connection.channel)

    async def get(self) -> Picture:
        """As it is now, at most a second old."""
        request = overview_service_pb2.GetOverviewRequest()
        return read(Picture, await self._connection.call(self._stub.GetOverview, request))

    async def watch(
        self, interval: float = 1.0, *, on_outage: Callable[[WindlassError], None] | None = None
    ) -> AsyncGenerator[Picture, None]:
        """The picture, and again whenever it has changed, at most every `interval` seconds; it never ends by itself.

        A broken link is mended by itself; `on_outage` is told when one broke.  Unavailable when that took too long.
        """
        request = overview_service_pb2.WatchOverviewRequest()
        request.interval.FromNanoseconds(round(interval * 1e9))

        def opened() -> Any:
            return self._stub.WatchOverview(request, timeout=LONGEST_STREAM_S, metadata=self._connection.metadata)

        async with aclosing(follow(self._connection, opened, on_outage)) as pictures:
            async for message in pictures:
                yield read(Picture, message)
