"""A node: the worker that a kernel process is, with what only those do who reach the store themselves.

It leads or follows, takes back what is lost, promotes what is due, and settles its share of each pool with the others.
An epoch is a row in `node`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress

import msgspec
import structlog

from windlass.config import NodeConfig, RetentionConfig
from windlass.core.lifecycle import Verdict
from windlass.errors import NodeGone, NodeNotFound, StoreUnavailable
from windlass.host.admission import Admission
from windlass.host.agents.remote_kinds import RemoteKinds
from windlass.host.children import Children
from windlass.host.context import Means
from windlass.host.counters import Counters
from windlass.host.dispatcher import Dispatcher
from windlass.host.documents import Archive
from windlass.host.maintenance.keepers import keep, keepers
from windlass.host.maintenance.leadership import Leadership
from windlass.host.maintenance.promoter import Promoter
from windlass.host.maintenance.recoverer import Recoverer
from windlass.host.plugins import Plugins
from windlass.host.releaser import Releaser
from windlass.host.service import Service
from windlass.host.sharing import Sharing
from windlass.host.surroundings import Surroundings
from windlass.host.worker import Worker
from windlass.store.facts import Claimed, NewTask, Settled
from windlass.store.port import Store

log = structlog.get_logger()

RARE_POLL_SECONDS = 5.0


class Node(Worker):
    """`on_work` is told of the pools in which something may have become claimable; of no pool: anywhere."""

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
        super().__init__(store.queue, store.lanes, pools, plugins.kinds, config, on_news, surroundings.now)
        self._surroundings = surroundings
        self._store = store
        self.on_work: Callable[[Collection[str]], None] = lambda _: None
        self.counters = Counters(store.statistics, lambda: self._epoch)
        for dispatcher in self.dispatchers:
            if dispatcher.pool not in config.pools:
                # Seldom used: an idle node would ask several times as often.
                dispatcher.poll_seconds = RARE_POLL_SECONDS
        here, gone = (lambda: self._epoch), surroundings.is_gone
        self.leadership = Leadership(store.cluster, here, gone, self.recover, self.look, self._drained)
        self.sharing = Sharing(store.pools, self.dispatchers, list(plugins.kinds), here)
        self.remote_kinds = RemoteKinds(store.agents)
        self.admission = Admission(plugins.kinds, self.sharing.known, self.remote_kinds.kinds)
        self.children = Children(self.admission, store.queue, self.stored)
        self.means = Means(self.lanes, self.children, Archive(store.documents))
        self.releaser = Releaser(store.queue, self.look)
        self.promoter = Promoter(store.queue, self.leadership.membership, self.look)
        self.recoverer = Recoverer(self.recover, self.leadership.membership, self.look)
        self._keepers = keepers(store, self.leadership.membership, retention)

    @property
    def services(self) -> list[Service]:
        maintenance: list[Service] = [self.leadership, self.promoter, self.recoverer, *self._keepers]
        first = [self.completer, self.recorder, self.lanes, self.releaser, self.counters]
        return [*first, *maintenance, self.sharing, self.remote_kinds, *self.dispatchers, self]

    def look(self) -> None:
        super().look()
        self.on_work(())

    def look_in(self, pools: Collection[str]) -> None:
        super().look_in(pools)
        if pools:
            self.on_work(pools)

    def reconfigure(self, config: NodeConfig, retention: RetentionConfig) -> None:
        """Take what can change while tasks run; times of the lease can't."""
        self._config = msgspec.structs.replace(
            self._config, drain_grace=config.drain_grace, leak_limit=config.leak_limit
        )
        keep(self._keepers, retention)
        self.sharing.look()

    def stored(self, tasks: Sequence[NewTask]) -> None:
        """These tasks have just been enqueued through this process."""
        self.counters.enqueued(tasks)
        if all(task.stands_alone for task in tasks):
            self.look_in({task.pool for task in tasks if task.delay <= 0})
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
            self.look_in({word.removeprefix("ready/")})
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
        if word.startswith("agent/"):
            self.remote_kinds.look()

    def interrupted(self) -> None:
        """Somebody asked for an interrupt through this process."""
        self._bell.ring()
        self.releaser.look()

    async def join(self) -> None:
        facts = self._surroundings.this_process(tuple(self._kinds))
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

    async def _begin(self) -> None:
        await self.leadership.beat()
        self.sharing.look()

    async def recover(self, dead: int | None = None) -> int:
        """Take back what lost nodes hold; how many tasks that were."""
        limits = {name: kind.handler.crash_limit for name, kind in self._kinds.items()}
        recovered = await self._store.cluster.recover(dead, limits)
        self.counters.lost(recovered)
        return recovered

    async def _tell_of_drain(self) -> None:
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
        changed = is_drained != self._is_drained
        super()._drained(is_drained)
        if changed:
            self.sharing.look()

    def _claimed(self, pool: str, claimed: Sequence[Claimed], took: float) -> None:
        self.counters.claimed(pool, claimed)
        super()._claimed(pool, claimed, took)

    def _launch(self, dispatcher: Dispatcher, claimed: Claimed) -> None:
        super()._launch(dispatcher, claimed)
        self.counters.started(claimed)

    def _settled(self, settled: Sequence[Settled]) -> None:
        super()._settled(settled)
        self.take_note(settled)

    def take_note(self, settled: Sequence[Settled]) -> None:
        """These ends are stored: count them, and look at what they may have opened."""
        self.counters.settled(settled)
        if any(one.verdict is Verdict.RETRY for one in settled):
            self.promoter.look()
        if any(one.opens for one in settled):
            self.releaser.look()

    def _lose_epoch(self) -> None:
        self.counters.forget_held()
        super()._lose_epoch()
