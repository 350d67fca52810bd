"""A node: one process that claims and runs tasks, under one epoch at a time.

    join ──> run ──> (lease lost: fence everything, join again) ──> drain ──> leave

An epoch is a row in `node`: its id goes into every write, and is never used again.  A node whose lease is lost does not
argue; it ends what it runs and starts over as somebody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

import msgspec
import structlog

from windlass import telemetry
from windlass.config import NodeConfig, RetentionConfig
from windlass.core.lifecycle import Verdict
from windlass.errors import NodeGone, NodeNotFound, StoreUnavailable
from windlass.host.admission import Admission
from windlass.host.bulk_kinds import POOL as MAINTENANCE
from windlass.host.children import Children
from windlass.host.completer import Completer
from windlass.host.context import Means
from windlass.host.counters import Counters
from windlass.host.dispatcher import Dispatcher
from windlass.host.documents import Archive
from windlass.host.execution import Execution, abandon_all
from windlass.host.lanes import Lanes
from windlass.host.maintenance.keepers import keep, keepers
from windlass.host.maintenance.leadership import Leadership
from windlass.host.maintenance.promoter import Promoter
from windlass.host.maintenance.recoverer import Recoverer
from windlass.host.plugins import Plugins
from windlass.host.recorder import Recorder
from windlass.host.releaser import Releaser
from windlass.host.service import Bell, Service
from windlass.host.sharing import Sharing
from windlass.host.surroundings import Pulse, Surroundings
from windlass.store.facts import Asked, Claimed, Ended, NewTask, Settled
from windlass.store.port import Store

log = structlog.get_logger()

TICK_SECONDS = 1.0
RARE_POLL_SECONDS = 5.0
LAST_WORDS_SECONDS = 3.0
RAISED_SECONDS = 1.5
"""For handlers to end once they are cancelled by a shutdown; with the rest it stays below 3 s after the grace."""


class Node(Service):
    """`run` is the node's tick: look for interrupts, mind the lease."""

    _epoch: int | None = None
    _heartbeat: Pulse | None = None
    _draining = False
    _is_drained = False
    _telling: asyncio.Task[None] | None = None

    def __init__(
        self,
        store: Store,
        plugins: Plugins,
        config: NodeConfig,
        pools: Sequence[str],
        on_news: Callable[[Iterable[int]], None],
        surroundings: Surroundings,
        retention: RetentionConfig,
    ) -> None:
        self._surroundings = surroundings
        now = surroundings.now
        self._store = store
        self._plugins = plugins
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
        self.counters = Counters(store.statistics, lambda: self._epoch)
        self.completer = Completer(store.queue, self._settled, now)
        self.recorder = Recorder(store.queue, on_news, now)
        self.lanes = Lanes(store.lanes)
        self.dispatchers = [
            Dispatcher(store.queue, pool, plugins.kinds, self._launch, self._may_claim, self._known, now)
            for pool in pools
        ]
        for dispatcher in self.dispatchers:
            if dispatcher.pool == MAINTENANCE:
                # Seldom used: an idle node would ask twice as often.
                dispatcher.poll_seconds = RARE_POLL_SECONDS
            dispatcher.on_late = self._return_unstarted
            dispatcher.on_claimed = self._claimed
        here, gone = (lambda: self._epoch), surroundings.is_gone
        self.leadership = Leadership(store.cluster, here, gone, self.recover, self.look, self._drained)
        self.sharing = Sharing(store.pools, self.dispatchers, list(plugins.kinds), here)
        self.admission = Admission(plugins.kinds, self.sharing.known)
        self._means = Means(self.lanes, Children(self.admission, store.queue, self.stored), Archive(store.documents))
        self.releaser = Releaser(store.queue, self.look)
        self.promoter = Promoter(store.queue, self.leadership.membership, self.look)
        self.recoverer = Recoverer(self.recover, self.leadership.membership, self.look)
        self._keepers = keepers(store, self.leadership.membership, retention)

    @property
    def services(self) -> list[Service]:
        """In the order of their start; they stop the other way round."""
        maintenance: list[Service] = [self.leadership, self.promoter, self.recoverer, *self._keepers]
        first = [self.completer, self.recorder, self.lanes, self.releaser, self.counters]
        return [*first, *maintenance, self.sharing, *self.dispatchers, self]

    def look(self) -> None:
        """Something may have become claimable."""
        for dispatcher in self.dispatchers:
            dispatcher.look()

    def _look_in(self, pools: Collection[str]) -> None:
        # Claims go one after the other: one in vain costs the next a millisecond.
        for dispatcher in (each for each in self.dispatchers if each.pool in pools):
            dispatcher.look()

    def reconfigure(self, config: NodeConfig, retention: RetentionConfig) -> None:
        """Take what can change while tasks run; times of the lease can't."""
        self._config = msgspec.structs.replace(
            self._config, drain_grace=config.drain_grace, leak_limit=config.leak_limit
        )
        keep(self._keepers, retention)
        self.sharing.look()

    @property
    def epoch(self) -> int | None:
        """Its present id; None while it has no lease."""
        return self._epoch

    def stored(self, tasks: Sequence[NewTask]) -> None:
        """These tasks have just been enqueued through this process."""
        self.counters.enqueued(tasks)
        if all(task.stands_alone for task in tasks):
            self._look_in({task.pool for task in tasks if task.delay <= 0})
        else:
            # One that joins may have hastened a task of another pool.
            self.look()
        if any(task.delay > 0 for task in tasks):
            self.promoter.look()

    def hinted(self, word: str) -> None:
        """A hint from the store; an empty one means that hints may have been missed."""
        if word in ("", "ready"):
            self.look()
        elif word.startswith("ready/"):
            self._look_in({word.removeprefix("ready/")})
        if word in ("", "gate"):
            self.releaser.look()
        if word in ("", "pool"):
            self.sharing.look()
        if word in ("", "later"):
            self.promoter.look()
        if word in ("", "interrupt"):
            self._bell.ring()
        if word in ("", "lane"):
            self.lanes.look()
        if word in ("", f"node/{self._epoch}"):
            self.leadership.look()

    def interrupted(self) -> None:
        """Somebody asked for an interrupt through this process."""
        self._bell.ring()
        self.releaser.look()

    async def join(self) -> None:
        """Take a new epoch; raises `StoreUnavailable`."""
        facts = self._surroundings.this_process(tuple(self._plugins.kinds))
        if self._is_drained:
            # Another epoch of a drained node is drained too.
            facts = msgspec.structs.replace(facts, draining=True)
        loop = asyncio.get_running_loop()
        times = self._config.lease_times

        def lost(epoch: int) -> None:
            loop.call_soon_threadsafe(self._lease_lost, epoch)

        asked = self._surroundings.now()
        epoch = await self._store.cluster.join(facts, times.lease)
        self._heartbeat = self._surroundings.pulse(self._store.cluster, epoch, times, asked, lost)
        self._heartbeat.start()
        self._epoch = epoch
        log.info("node joined", node=facts.name, epoch=epoch, pools=[d.pool for d in self.dispatchers])

    async def recover(self, dead: int | None = None) -> int:
        """Take back what lost nodes hold; how many tasks that were."""
        limits = {name: kind.handler.crash_limit for name, kind in self._plugins.kinds.items()}
        recovered = await self._store.cluster.recover(dead, limits)
        self.counters.lost(recovered)
        return recovered

    async def run(self) -> None:
        while True:
            if self._heartbeat is not None and self._heartbeat.must_stop_work():
                log.error("lease not renewed for too long; stopping own work before it is given away")
                self._lose_epoch()
            if self._epoch is None and not self._draining:
                await self.join()
                await self.leadership.beat()
                self.sharing.look()
            if self._executions or any(d.waiting() for d in self.dispatchers):
                await self._heed_interrupts()
            await self._bell.wait(TICK_SECONDS)

    async def drain(self) -> None:
        """Stop claiming, hand back what has not started, let the rest finish within the grace, hand back the others."""
        self._draining = True
        self._return_waiting()
        if self._executions:
            log.info("draining", running=len(self._executions), grace=self._config.drain_grace)
            # Nobody waits for the word: a database that is silent must not hold up an end.
            self._telling = asyncio.create_task(self._tell_of_drain())
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
        if self._epoch is not None:
            with suppress(StoreUnavailable, NodeGone, NodeNotFound):
                await self._store.cluster.drain(self._epoch, draining=True)

    async def leave(self) -> None:
        """Give the epoch up, for good."""
        self._draining = True
        await self.counters.flush_last()
        epoch, self._epoch = self._epoch, None
        if self._heartbeat is not None:
            await self._heartbeat.stop()
        if epoch is not None:
            try:
                await self._store.cluster.leave(epoch)
            except StoreUnavailable as error:
                log.warning("could not say good-bye; the lease will run out", error=error.message)

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
        self.sharing.look()

    @property
    def hindrance(self) -> str:
        """Why this node starts no tasks; empty when it does."""
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
        self.counters.claimed(pool, claimed)
        if telemetry.spans is not None:
            telemetry.spans.claimed(claimed, pool, time.time_ns() - int(took * 1e9))

    def _launch(self, dispatcher: Dispatcher, claimed: Claimed) -> None:
        assert self._epoch is not None
        kind = self._plugins.kinds[claimed.kind]
        execution = Execution(claimed, kind, self._epoch, dispatcher, self.recorder, self._means, self._attempt_ended)
        self._executions[claimed.id] = execution
        execution.start(dispatcher.context.copy())
        self.counters.started(claimed.id)
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
        self.counters.settled(settled)
        if again := {one.task for one in settled if one.verdict is Verdict.RETRY}:
            self.promoter.look()
            if not again.isdisjoint(self._at_once):
                self._at_once -= again
                self.look()
        if any(one.opens for one in settled):
            self.releaser.look()

    async def _heed_interrupts(self) -> None:
        if self._epoch is None:
            return
        for asked in await self._store.queue.interrupts(self._epoch):
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
        self.counters.forget_held()
        self._at_once.clear()
        for dispatcher in self.dispatchers:
            dispatcher.hold(0)
            dispatcher.give_up()
        for execution in list(self._executions.values()):
            execution.fence()
