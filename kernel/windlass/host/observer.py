"""What is to be measured of this process and of the queue, at one moment, and whether the process is fit for work.

Nothing here waits for a store that is away for longer than `STORE_SECONDS`: what it would have said is then left out.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Generic, TypeVar

from windlass import telemetry
from windlass.errors import StoreUnavailable
from windlass.host.kernel import Kernel
from windlass.host.sections import SectionFacts
from windlass.host.service import Service
from windlass.store.port import Store
from windlass.store.statistics import Backlog
from windlass.telemetry.measuring import Durations, Family, Point, Sort

T = TypeVar("T")

STORE_SECONDS = 1.0
FRESH_SECONDS = 1.0
SAMPLE_SECONDS = 0.5
MESSAGING = {"messaging.system": "windlass"}
OUTCOMES = ("succeeded", "failed", "retried", "canceled")


class Observer(Service):
    """`run` measures how late the event loop is.  `streams` counts the open ones."""

    def __init__(self, kernel: Kernel, store: Store, streams: Callable[[], int]) -> None:
        self._kernel = kernel
        self._node = kernel.node
        self._store = store
        self._streams = streams
        self._backlog = _Asked(kernel.statistics.backlog)
        self._pings = _Asked(store.ping)

    async def run(self) -> None:
        while True:
            asked = time.monotonic()
            await asyncio.sleep(SAMPLE_SECONDS)
            if telemetry.meters is not None:
                telemetry.meters.loop_lag[()].add(max(0.0, time.monotonic() - asked - SAMPLE_SECONDS))

    async def hindrance(self) -> str:
        """Why this process is not fit for work; empty when it is."""
        if self._node.hindrance:
            return self._node.hindrance
        try:
            await self._pings.answer()
        except StoreUnavailable as error:
            return f"the store does not answer: {error.message}"
        return ""

    async def beside(self) -> dict[str, Any]:
        """What plugins put beside the status of `/health`; of one name twice the first stays."""
        said: dict[str, Any] = {}
        for section in await self._kernel.sections.recent():
            said = {**section.probe, **said}
        return said

    async def families(self) -> list[Family]:
        """Every metric there is, now."""
        try:
            backlog = await self._backlog.answer()
        except StoreUnavailable:
            backlog = None
        sections = await self._kernel.sections.recent()
        every = [*self._counted(), *self._present(), *_durations(), *_of_plugins(sections)]
        return every if backlog is None else [*every, *_queued(backlog)]

    def _counted(self) -> Iterator[Family]:
        totals, node = self._node.counters.totals, self._node
        yield _counted(totals, "enqueued", "messaging.client.sent.messages", "Tasks that were enqueued here.")
        yield _counted(totals, "claimed", "messaging.client.consumed.messages", "Tasks that this node has claimed.")
        yield _counted(totals, "started", "windlass.attempts.started", "Attempts that began.")
        points = [
            Point(_of(pool, kind) | {"windlass.outcome": outcome}, count[outcome])
            for (pool, kind), count in sorted(totals.items())
            for outcome in OUTCOMES
            if count.get(outcome)
        ]
        words = "Attempts whose end was stored, by what became of them."
        yield Family("windlass.attempts.ended", Sort.COUNTER, "{attempt}", words, tuple(points))
        lost = sum(count.get("lost", 0) for count in totals.values())
        yield _one("windlass.tasks.lost", Sort.COUNTER, "{task}", "Tasks taken back from lost nodes by this one.", lost)
        words = "Leases of this process that ran out."
        yield _one("windlass.lease.losses", Sort.COUNTER, "{lease}", words, node.lease_losses)
        words = "Results that came too late: another attempt had the task."
        yield _one("windlass.results.refused", Sort.COUNTER, "{result}", words, node.completer.refused)

    def _present(self) -> Iterator[Family]:
        node, gauge = self._node, Sort.GAUGE
        ready = 0 if node.hindrance else 1
        yield _one("windlass.node.ready", gauge, "{node}", "1 when this node starts tasks.", ready)
        pools = sorted(node.dispatchers, key=lambda dispatcher: dispatcher.pool)
        slots = tuple(Point({"windlass.pool": one.pool}, one.slots) for one in pools)
        yield Family("windlass.pool.slots", gauge, "{slot}", "This node's share of a pool.", slots)
        used = tuple(Point({"windlass.pool": one.pool}, one.executing) for one in pools)
        yield Family("windlass.pool.executing", gauge, "{task}", "Tasks that this node executes.", used)
        lag = node.completer.lag
        yield _one("windlass.drain.lag", gauge, "s", "How long the oldest result has waited to be stored.", lag)
        waiting = len(node.completer.holds())
        yield _one("windlass.drain.waiting", gauge, "{result}", "Results that wait to be stored.", waiting)
        yield _one("windlass.handlers.abandoned", gauge, "{handler}", "Abandoned handlers that go on.", node.leaks)
        yield _one("windlass.streams.open", gauge, "{stream}", "Streams that are being answered.", self._streams())
        if (facts := self._store.connections()) is not None:
            name = {"db.client.connection.pool.name": "windlass"}
            states = {"idle": facts.idle, "used": facts.used}
            points = tuple(Point(name | {"db.client.connection.state": state}, n) for state, n in states.items())
            yield Family("db.client.connection.count", gauge, "{connection}", "Connections to the database.", points)
            most, asking = (Point(name, facts.most),), (Point(name, facts.waiting),)
            yield Family("db.client.connection.max", gauge, "{connection}", "How many there may be.", most)
            words = "Calls that wait for a connection."
            yield Family("db.client.connection.pending_requests", gauge, "{request}", words, asking)


class _Asked(Generic[T]):
    """A question to the store: one at a time, however many ask, and no more often than its answer is fresh."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asking: asyncio.Task[T] | None = None
        self._answered = float("-inf")

    async def answer(self) -> T:
        """Raises `StoreUnavailable`, also when there is no answer in time; it may still come, for the next who asks."""
        if self._asking is None or (self._asking.done() and time.monotonic() - self._answered > FRESH_SECONDS):
            self._asking = asyncio.create_task(self._question())
            # Perhaps nobody waits any more when it fails.
            self._asking.add_done_callback(lambda asked: asked.cancelled() or asked.exception())
        # Not cut: a statement that is cancelled asks a silent server once more, and waits for that too.
        await asyncio.wait({self._asking}, timeout=STORE_SECONDS)
        if not self._asking.done():
            raise StoreUnavailable(f"no answer within {STORE_SECONDS:g} s")
        return self._asking.result()

    async def _question(self) -> T:
        try:
            return await self._ask()
        finally:
            self._answered = time.monotonic()


def _counted(totals: Mapping[tuple[str, str], Mapping[str, int]], what: str, name: str, words: str) -> Family:
    every = sorted(totals.items())
    points = [Point(_of(pool, kind), count[what]) for (pool, kind), count in every if count.get(what)]
    return Family(name, Sort.COUNTER, "{task}", words, tuple(points))


def _of(pool: str, kind: str) -> dict[str, str]:
    return MESSAGING | {"messaging.destination.name": kind, "windlass.pool": pool}


def _one(name: str, sort: Sort, unit: str, words: str, value: float) -> Family:
    return Family(name, sort, unit, words, (Point({}, value),))


def _durations() -> Iterator[Family]:
    meters = telemetry.meters
    if meters is None:
        return
    every: tuple[tuple[str, tuple[str, ...], Durations, str], ...] = (
        ("messaging.client.operation.duration", (), meters.enqueue, "From a call of enqueue to its commit."),
        ("messaging.process.duration", ("messaging.destination.name", "windlass.outcome"), meters.attempt, "Attempts."),
        ("windlass.pickup.duration", ("windlass.pool",), meters.pickup, "From when a task was due to its start."),
        ("windlass.lane.wait.duration", ("windlass.lane",), meters.lane_wait, "Waits for a lane."),
        ("windlass.loop.lag", (), meters.loop_lag, "How late the event loop is."),
    )
    for name, labels, durations, words in every:
        fixed = MESSAGING if name.startswith("messaging") else {}
        points = (Point(fixed | dict(zip(labels, key, strict=True)), spread) for key, spread in durations.items())
        yield Family(name, Sort.HISTOGRAM, "s", words, tuple(points))


def _of_plugins(sections: Sequence[SectionFacts]) -> Iterator[Family]:
    """The gauges of their sections."""
    for section in sections:
        plugin = re.sub(r"[^a-z0-9_]", "_", section.name.lower())
        for name, gauges in groupby(sorted(section.gauges, key=attrgetter("name")), attrgetter("name")):
            same = list(gauges)
            points = tuple(Point(gauge.labels, gauge.value) for gauge in same)
            yield Family(f"windlass.plugin.{plugin}.{name}", Sort.GAUGE, same[0].unit, same[0].words, points)


def _queued(backlog: Backlog) -> Iterator[Family]:
    """Of the whole cluster: each node tells the same."""
    depths = [
        ({"windlass.pool": one.pool, "windlass.priority": one.priority.name.lower()}, one) for one in backlog.depths
    ]
    waiting = tuple(Point(labels, depth.waiting) for labels, depth in depths)
    yield Family("windlass.queue.depth", Sort.GAUGE, "{task}", "Tasks that are due and wait, up to a cap.", waiting)
    oldest = tuple(Point(labels, depth.oldest) for labels, depth in depths)
    yield Family("windlass.queue.age", Sort.GAUGE, "s", "How long the oldest of them has been due.", oldest)
    words = "Tasks that are not due yet, up to a cap."
    yield _one("windlass.queue.deferred", Sort.GAUGE, "{task}", words, backlog.deferred)
