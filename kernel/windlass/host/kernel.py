"""The kernel of one process, put together: what the control plane calls."""

from __future__ import annotations

import asyncio

import structlog

from windlass.config import NodeConfig
from windlass.host.admission import Admission
from windlass.host.enqueuer import Enqueuer
from windlass.host.node import Node
from windlass.host.plugins import Plugins
from windlass.host.service import Service
from windlass.host.surroundings import Surroundings
from windlass.host.watches import Watches
from windlass.store.facts import Asked, Interrupted
from windlass.store.port import Store

log = structlog.get_logger()


class Hints(Service):
    """Passes the store's hints on."""

    def __init__(self, store: Store, node: Node) -> None:
        self._store = store
        self._node = node

    async def run(self) -> None:
        async for word in self._store.hints():
            self._node.hinted(word)


class Kernel:
    def __init__(
        self, store: Store, plugins: Plugins, config: NodeConfig, surroundings: Surroundings | None = None
    ) -> None:
        self._store = store
        self._plugins = plugins
        self.library = store.library
        self.watches = Watches(store.library)
        self.node = Node(store, plugins, config, self.watches.nudge, surroundings or Surroundings())
        self.admission = Admission(plugins.kinds)
        self.enqueuer = Enqueuer(store.queue, self.node.stored)
        self._services: list[Service] = [self.watches, *self.node.services, Hints(store, self.node)]

    async def start(self) -> None:
        """Join and begin to work.  Raises `StoreUnavailable`, or what a plugin's start-up hook raised."""
        self._plugins.startup()
        await self.node.join()
        await self.node.leadership.beat()
        await self.node.recover()
        for service in self._services:
            service.start()

    async def interrupt(self, asked: Asked) -> Interrupted:
        """End a task; the node that runs it is told at once."""
        interrupted = await self._store.queue.interrupt(asked)
        self.node.hinted("interrupt")
        self.watches.nudge([asked.task])
        return interrupted

    async def drain(self) -> None:
        """Finish or hand back this node's work."""
        await self.node.drain()
        await self.enqueuer.finished()

    async def stop(self) -> None:
        """After `drain`: give up the epoch and end every service."""
        await self.node.leave()
        await asyncio.gather(*(service.stop() for service in reversed(self._services)))
        await self._plugins.close_executors()
        self._plugins.shutdown()
