"""A worker: claims tasks and runs them, under one epoch at a time, wherever its store is.

    join ──> run ──> (lease lost: fence everything, join again) ──> drain

What a node (host/node.py) and an agent have in common.  An epoch is a live lease under a number of its own: it goes
into every write, and is never used again.  A worker whose lease is lost does not argue; it ends what it runs and starts
over as somebody else.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress

import structlog

from windlass import telemetry
from windlass.config import NodeConfig
from windlass.core.lifecycle import Verdict
from windlass.host.completer import Completer
from windlass.host.context import Means
from windlass.host.dispatcher import Dispatcher
from windlass.host.execution import Execution, abandon_all
from windlass.host.lanes import Lanes
from windlass.host.plugins import Kind
from windlass.host.recorder import Recorder
from windlass.host.service import Bell, Service
from windlass.host.surroundings import Pulse
from windlass.store.facts import Asked, Claimed, Ended, Settled
from windlass.store.lanes import Entrances
from windlass.store.port import Work

log = structlog.get_logger()

TICK_SECONDS = 1.0
LAST_WORDS_SECONDS = 3.0
RAISED_SECONDS = 1.5
"""For handlers to end once they are cancelled by a shutdown; with the rest it stays below 3 s after the grace."""


class Worker(Service):
    """`run` is its tick: look for interrupts, mind the lease.  Whoever extends it says how to join, and what an attempt
    may use (`means`).
    """

    means: Means
    _epoch: int | None = None
    _heartbeat: Pulse | None = None
    _draining = False
    _is_drained = False
    _telling: asyncio.Task[None] | None = None

    def __init__(
        self,
        work: Work,
        entrances: Entrances,
        pools: Sequence[str],
        kinds: Mapping[str, Kind],
        config: NodeConfig,
        on_news: Callable[[Iterable[int]], None],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._work = work
        self._kinds = kinds
        self._config = config
        self._executions: dict[int, Execution] = {}
        self._leaks: set[asyncio.Task[None]] = set()
        self.worn_out = asyncio.Event()
        """Set when too many abandoned handlers go on: only a new process is free of them."""
        self._all_ended = asyncio.Event()
        self._at_once: set[int] = set()
        """Tasks that are claimable again as soon as their end is stored."""
        self.lease_losses = 0
        self._bell = Bell()
        self._on_news = on_news
        self.completer = Completer(work, self._settled, now)
        self.recorder = Recorder(work, on_news, now)
        self.lanes = Lanes(entrances)
        self.dispatchers = [
            Dispatcher(work, pool, kinds, self._launch, self._may_claim, self._known, now) for pool in pools
        ]
        for dispatcher in self.dispatchers:
            dispatcher.on_late = self._return_unstarted
            dispatcher.on_claimed = self._claimed

    @property
    def services(self) -> list[Service]:
        """In the order of their start; they stop the other way round."""
        return [self.completer, self.recorder, self.lanes, *self.dispatchers, self]

    @abstractmethod
    async def join(self) -> None:
        """Take a new epoch, and what keeps its lease alive.  Raises `StoreUnavailable`."""

    @property
    def tick(self) -> float:
        """Seconds between two looks at the lease, and at interrupts."""
        return TICK_SECONDS

    async def _begin(self) -> None:
        """Called by the tick after each `join`."""

    def look(self) -> None:
        """Something may have become claimable."""
        for dispatcher in self.dispatchers:
            dispatcher.look()

    def look_in(self, pools: Collection[str]) -> None:
        """The same of these pools only."""
        # Claims go one after the other: one in vain costs the next a millisecond.
        for dispatcher in (each for each in self.dispatchers if each.pool in pools):
            dispatcher.look()

    def interrupts_asked(self) -> None:
        """Somebody may have asked for an interrupt."""
        self._bell.ring()

    @property
    def epoch(self) -> int | None:
        """Its present id; None while it has no lease."""
        return self._epoch

    async def run(self) -> None:
        while True:
            if self._heartbeat is not None and self._heartbeat.must_stop_work():
                log.error("lease not renewed for too long; stopping own work before it is given away")
                self._lose_epoch()
            if self._epoch is None and not self._draining:
                await self.join()
                await self._begin()
            if self._executions or any(d.waiting() for d in self.dispatchers):
                await self._heed_interrupts()
            await self._bell.wait(self.tick)

    async def drain(self) -> None:
        """Stop claiming, hand back what has not started, let the rest finish within the grace, hand back the others."""
        self._draining = True
        self._return_waiting()
        if self._executions:
            log.info("draining", running=len(self._executions), grace=self._config.drain_grace)
            # Nobody waits for the word: a database that is silent must not hold up an end.
            self._telling = asyncio.create_task(self._tell_of_drain())
            for execution in self._executions.values():
                if execution.is_resident:
                    execution.ask_to_end()
            await self._wait_for_ends(self._config.drain_grace)
        for execution in list(self._executions.values()):
            execution.shut_down()
        await self._wait_for_ends(RAISED_SECONDS)
        await abandon_all(self._executions.values(), LAST_WORDS_SECONDS)
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                for dispatcher in self.dispatchers:
                    await dispatcher.settled()
                await self.completer.settled()
        except TimeoutError:
            log.error("results could not be stored; recovery takes the tasks back", tasks=self.completer.holds())

    async def _tell_of_drain(self) -> None:
        """For people only, so it may fail: they will see it leave."""

    def _drained(self, is_drained: bool) -> None:
        if is_drained == self._is_drained:
            return
        self._is_drained = is_drained
        if is_drained:
            log.info("drained: takes no more tasks until it is resumed", running=len(self._executions))
            self._return_waiting()
        else:
            log.info("resumed: takes tasks again")
            self.look()

    @property
    def hindrance(self) -> str:
        """Why this worker starts no tasks; empty when it does."""
        if self._draining:
            return "it drains"
        if self._is_drained:
            return "it is drained until somebody resumes it"
        if self._epoch is None or self._heartbeat is None:
            return "it has not joined the cluster"
        return "" if self._heartbeat.may_start_work() else "its lease is not renewed"

    def _may_claim(self) -> int | None:
        is_closed = self._draining or self._is_drained or self.completer.lags
        if is_closed or self._heartbeat is None or not self._heartbeat.may_start_work():
            return None
        return self._epoch

    def _known(self) -> list[int]:
        waiting = [claimed.id for dispatcher in self.dispatchers for claimed in dispatcher.waiting()]
        return [*waiting, *self._executions, *self.completer.holds()]

    def _claimed(self, pool: str, claimed: Sequence[Claimed], took: float) -> None:
        if telemetry.spans is not None:
            telemetry.spans.claimed(claimed, pool, time.time_ns() - int(took * 1e9))

    def _launch(self, dispatcher: Dispatcher, claimed: Claimed) -> None:
        assert self._epoch is not None
        kind = self._kinds[claimed.kind]
        execution = Execution(claimed, kind, self._epoch, dispatcher, self.recorder, self.means, self._attempt_ended)
        self._executions[claimed.id] = execution
        execution.start(dispatcher.context.copy())
        if telemetry.meters is not None:
            # By two clocks, as far as they agree: the database's says when it was due.
            telemetry.meters.pickup[dispatcher.pool,].add(max(0.0, time.time() - claimed.next_try_at.timestamp()))

    def _attempt_ended(self, execution: Execution, ended: Ended | None) -> None:
        task = execution.claimed.id
        if self._executions.get(task) is execution:
            del self._executions[task]
        execution.measure(ended)
        if ended is not None:
            if ended.verdict is Verdict.RETRY and not ended.pause:
                self._at_once.add(task)
            self.completer.add(execution.node, ended, execution.span)
        if not self._executions:
            self._all_ended.set()
        if (left := execution.leaks()) is not None:
            self._count_leak(left)
        execution.dispatcher.freed()

    @property
    def leaks(self) -> int:
        """Handlers that still run although their attempts were abandoned."""
        return len(self._leaks)

    def _count_leak(self, left: asyncio.Task[None]) -> None:
        self._leaks.add(left)
        left.add_done_callback(self._leaks.discard)
        if self.leaks > self._config.leak_limit and not self.worn_out.is_set():
            log.error("too many abandoned handlers still run; this process is worn out", leaks=self.leaks)
            self.worn_out.set()

    def _settled(self, settled: Sequence[Settled]) -> None:
        self._on_news(one.task for one in settled)
        again = {one.task for one in settled if one.verdict is Verdict.RETRY}
        if not again.isdisjoint(self._at_once):
            self._at_once -= again
            self.look()

    async def _heed_interrupts(self) -> None:
        if self._epoch is None:
            return
        for asked in await self._work.interrupts(self._epoch):
            if execution := self._executions.get(asked.task):
                execution.interrupt(asked)
            else:
                self._drop(asked)

    def _drop(self, asked: Asked) -> None:
        for dispatcher in self.dispatchers:
            if claimed := dispatcher.drop(asked):
                self._hand_in_unstarted(claimed, Verdict.CANCELED)

    def _return_waiting(self) -> None:
        for dispatcher in self.dispatchers:
            for claimed in dispatcher.give_up():
                self._hand_in_unstarted(claimed, Verdict.RETURNED)

    def _return_unstarted(self, epoch: int, claimed: Claimed) -> None:
        self.completer.add(epoch, Ended(claimed.id, claimed.attempt, Verdict.RETURNED, None))

    def _hand_in_unstarted(self, claimed: Claimed, verdict: Verdict) -> None:
        if self._epoch is not None:
            self.completer.add(self._epoch, Ended(claimed.id, claimed.attempt, verdict, None))

    async def _wait_for_ends(self, seconds: float) -> None:
        self._all_ended.clear()
        if self._executions:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_ended.wait()

    def _lease_lost(self, epoch: int) -> None:
        if epoch == self._epoch:
            log.error("lease lost; ending what runs and starting over", epoch=epoch, running=len(self._executions))
            self._lose_epoch()
            self._bell.ring()

    def _lose_epoch(self) -> None:
        self.lease_losses += 1
        lost, self._epoch, self._heartbeat = self._heartbeat, None, None
        if lost is not None:
            lost.cease()
        self._at_once.clear()
        for dispatcher in self.dispatchers:
            dispatcher.hold(0)
            dispatcher.give_up()
        for execution in list(self._executions.values()):
            execution.fence()
