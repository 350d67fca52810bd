"""What goes wrong, and when: two timetables from one seed, one for processes and one for the database and its links.

A fault that must be measured undisturbed (SIGTERM's exit) and one that would disturb it (a restart) exclude each other.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from tests.chaos.database import Database
from tests.chaos.ledger import Line
from tests.chaos.nodes import OUR_ENDS, Node, Times, thaw
from tests.chaos.proxy import Proxy

WRITES = ("enqueue", "claim", "say", "finish", "commit")
SCAN = 5.0
HALF_OPEN_SECONDS = 22.0

# Every start of a node has these failpoints, and one of ORDERS: N is a number of hits, P twice the lease.
WITNESS = "finish.committed=note,say.committed=note"
ALWAYS = ",".join(f"{verb}.committed=lost@0.01" for verb in ("enqueue", "claim", "say", "finish"))
ORDERS = (
    "finish.unsent=pause:P@#N",
    "finish.committed=exit@#N",
    "finish.uncommitted=exit@#N",
    "claim.committed=pause:P@#N",
    "claim.committed=exit@#N",
    "claim.uncommitted=exit@#N",
    "enqueue.committed=exit@#N",
    "enqueue.uncommitted=lost@0.03,finish.uncommitted=lost@0.03,claim.uncommitted=lost@0.03",
    "say.unsent=pause:P@#N",
    "recover.uncommitted=exit@#2",
    "interrupt.committed=exit@#5",
)


class Faults:
    """`log` is told of each fault: (name, facts).  `pauses`: those that failpoints made so far."""

    def __init__(
        self,
        nodes: Sequence[Node],
        database: Database,
        proxy: Proxy,
        times: Times,
        chance: random.Random,
        log: Callable[..., None],
        pauses: Callable[[], list[Line]],
    ) -> None:
        self._pauses = pauses
        self._nodes = nodes
        self._database = database
        self._proxy = proxy
        self._times = times
        self._chance = chance
        self._log = log
        self._undisturbed = asyncio.Lock()
        self._drawn = self._shuffled(ORDERS)
        self.fired: Counter[str] = Counter()
        self.wrong: list[str] = []

    def orders(self) -> str:
        """The failpoints of one start."""
        drawn = next(self._drawn)
        hits = str(self._chance.randint(5, 60))
        return f"{WITNESS},{ALWAYS},{drawn.replace('P', str(2 * self._times.lease)).replace('#N', '#' + hits)}"

    async def hurt_processes(self) -> None:
        await self._go_on([self.kill, self.freeze, self.stop, self.kill, self.freeze])

    async def hurt_database(self) -> None:
        faults = [self.cut, self.restart, self.cut, self.end_backends, self.half_open, self.cut, self.slow_down]
        await self._go_on(faults)

    async def _go_on(self, faults: Sequence[Callable[[], Awaitable[None]]]) -> None:
        for fault in self._shuffled(faults):
            await asyncio.sleep(self._chance.uniform(0.5, 2.5))
            await fault()
            self.fired[fault.__name__] += 1

    def _shuffled(self, items: Sequence[Any]) -> Iterator[Any]:
        """For ever, each as often as the others, in an order of its own each time round."""
        while True:
            yield from self._chance.sample(items, len(items))

    def _victim(self) -> Node:
        return self._chance.choice([node for node in self._nodes if node.is_ready()] or self._nodes)

    async def kill(self) -> None:
        node = self._victim()
        self._tell("kill", node)
        node.signal(signal.SIGKILL)
        await asyncio.sleep(self._chance.uniform(0.5, 3.0))

    async def freeze(self) -> None:
        """Stopped for longer than the lease and the scan that gives its work away."""
        node = self._victim()
        self._tell("freeze", node)
        node.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(self._times.lease + SCAN + self._chance.uniform(0.5, 3.0))
        finally:
            thaw(node)
        self._tell("thaw", node)

    async def stop(self) -> None:
        """SIGTERM under load: gone within the grace and 3 s, and nothing left in its name."""
        async with self._undisturbed:
            node = self._victim()
            if not node.is_ready():
                return
            node.is_wanted = False
            self._tell("stop", node)
            node.signal(signal.SIGTERM)
            took = await node.ended(self._times.grace + 30.0)
            if self._paused(node):
                pass  # by a failpoint of its own: it could not stop meanwhile
            elif took is None or took > self._times.grace + 3.0:
                self.wrong.append(f"{node.name} took {took or 'more than 30'} s to stop: see {node.log}")
            elif node.process is not None and node.process.returncode == 0:
                await self._nothing_is_left(node)
            elif node.process is not None and node.process.returncode not in OUR_ENDS:
                self.wrong.append(f"{node.name} stopped with code {node.process.returncode}: see {node.log}")
            node.start(self.orders())

    def _paused(self, node: Node) -> bool:
        return any(hit["pid"] == node.pid for hit in self._pauses())

    async def _nothing_is_left(self, node: Node) -> None:
        left = await asyncio.to_thread(
            self._database.patiently,
            "select running.id from windlass.running join windlass.node on node.id = running.node where node.pid = %s",
            node.pid,
        )
        if left:
            self.wrong.append(f"{node.name} (pid {node.pid}) left {len(left)} tasks behind: {left[:5]}")

    async def cut(self) -> None:
        """Right after the next writes of each kind, before their answers."""
        self._tell("cut")
        for verb in WRITES:
            self._proxy.cut(verb, answered=self._chance.random() < 0.7)
        await asyncio.sleep(self._chance.uniform(2.0, 4.0))

    async def restart(self) -> None:
        async with self._undisturbed:
            self._tell("restart")
            took = await asyncio.to_thread(self._database.restart)
            self._tell("restarted", seconds=round(took, 2))
            await asyncio.sleep(3.0)

    async def end_backends(self) -> None:
        async with self._undisturbed:
            share = self._chance.choice([1.0, 0.5])
            self._tell("end_backends", ended=await asyncio.to_thread(self._database.end_backends, share))
            await asyncio.sleep(1.0)

    async def half_open(self) -> None:
        async with self._undisturbed:
            self._tell("half_open")
            self._proxy.freeze()
            try:
                await asyncio.sleep(HALF_OPEN_SECONDS)
            finally:
                self._proxy.thaw()
            self._tell("open")
            await asyncio.sleep(2.0)

    async def slow_down(self) -> None:
        self._tell("slow_down")
        self._proxy.delay = self._chance.uniform(0.05, 0.3)
        await asyncio.sleep(self._chance.uniform(2.0, 5.0))
        self._proxy.delay = 0.0

    def _tell(self, name: str, node: Node | None = None, **facts: object) -> None:
        if node is not None and node.process is not None:
            facts |= {"node": node.name, "pid": node.pid}
        self._log(name, **facts, clock=round(time.monotonic(), 3))
