"""Simulated processes: a real Kernel each, which can be killed, stopped for a while, drained and started again."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any

from windlass.config import NodeConfig
from windlass.core.leases import LeaseTimes, may_start_work, must_stop_work
from windlass.errors import StoreUnavailable
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.host.surroundings import Surroundings
from windlass.store.facts import NodeFacts
from windlass.store.memory import MemoryStore, World
from windlass.store.port import Cluster
from windlass.testing.simulation.play import Ledger, PlayPlugin
from windlass.testing.simulation.wire import Wire, WiredStore

SLOTS = 10
"""Of the one pool, over all processes."""
CONFIG = NodeConfig(pools={"default": SLOTS}, lease=8.0, renew=2.0, drain_grace=1.0)

_owner: contextvars.ContextVar[Process | None] = contextvars.ContextVar("owner", default=None)


class Pulse:
    """The heartbeat of a simulated process: on its wire, but never in the way of its handlers."""

    def __init__(
        self,
        process: Process,
        cluster: Any,
        epoch: int,
        times: LeaseTimes,
        joined: float,
        on_lost: Callable[[int], None],
    ) -> None:
        self._process, self._cluster, self._epoch, self._times = process, cluster, epoch, times
        self._renewed = joined
        self._on_lost = on_lost
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._beat())

    def cease(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def stop(self) -> None:
        self.cease()

    def may_start_work(self) -> bool:
        return may_start_work(self._times, self._process.now() - self._renewed)

    def must_stop_work(self) -> bool:
        return must_stop_work(self._times, self._process.now() - self._renewed)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._times.renew)
            asked = self._process.now()
            try:
                if not await self._cluster.renew(self._epoch, self._times.lease):
                    self._on_lost(self._epoch)
                    return
                self._renewed = asked
            except StoreUnavailable:
                continue


class Process:
    """One start of a server.  Its name is its pid."""

    def __init__(self, name: str, world: World, ledger: Ledger, wire: Wire) -> None:
        self.name = name
        self.alive = True
        self.stopping = False
        self.wire = wire
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self._ledger = ledger
        surroundings = Surroundings(now=self.now, this_process=self._facts, is_gone=lambda _: False, pulse=self._pulse)
        plugins = load_plugins({}, {"play": PlayPlugin(ledger, name)}, installed=False)
        self.kernel = Kernel(WiredStore(MemoryStore(world), self.wire), plugins, CONFIG, surroundings)

    def now(self) -> float:
        """Its clock; it stands still while the process is stopped."""
        return min(asyncio.get_running_loop().time(), self._stalled_since())

    def start(self) -> None:
        self.spawn(self._start())

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run something as this process: it dies with it."""
        context = contextvars.copy_context()
        context.run(_owner.set, self)
        return asyncio.get_running_loop().create_task(work, context=context)

    def stall(self, seconds: float) -> None:
        """SIGSTOP, and SIGCONT afterwards."""
        self._stalled_at = asyncio.get_running_loop().time()
        self.wire.stalled_until = self._stalled_at + seconds

    def kill(self) -> None:
        """SIGKILL: nothing it does reaches anybody from here on."""
        self.alive = False
        self.wire.is_cut = True
        self._ledger.kill(self.name)
        for task in list(self.tasks):
            task.cancel()

    async def terminate(self) -> None:
        """SIGTERM: drain, leave, stop."""
        self.stopping = True
        try:
            await self.kernel.drain()
            await self.kernel.stop()
        finally:
            self.kill()

    _stalled_at = 0.0

    def _stalled_since(self) -> float:
        stalled = asyncio.get_running_loop().time() < self.wire.stalled_until
        return self._stalled_at if stalled else float("inf")

    async def _start(self) -> None:
        try:
            await self.kernel.start()
        except StoreUnavailable:
            # As `serve` does: it says so and exits.
            self.kill()

    def _facts(self, kinds: tuple[str, ...]) -> NodeFacts:
        return NodeFacts(self.name, "machine", int(self.name[1:]), 1, kinds)

    def _pulse(
        self, cluster: Cluster, epoch: int, times: LeaseTimes, joined: float, on_lost: Callable[[int], None]
    ) -> Pulse:
        return Pulse(self, cluster, epoch, times, joined, on_lost)


def owned_tasks(loop: asyncio.AbstractEventLoop, work: Any, **options: Any) -> asyncio.Task[Any]:
    """A task factory that remembers whose each task is."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    owner = context.get(_owner) if context is not None else _owner.get()
    if owner is not None:
        owner.tasks[task] = None
        task.add_done_callback(lambda done: owner.tasks.pop(done, None))
        if not owner.alive:
            task.cancel()
    return task
