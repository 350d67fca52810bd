"""One run: the processes are put together, hurt for a while, healed, drained and ended."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.chaos.database import Database
from tests.chaos.faults import WITNESS, Faults
from tests.chaos.judge import OUTCOMES, Ended
from tests.chaos.ledger import Ledger
from tests.chaos.nodes import Keeper, Node, Place, thaw
from tests.chaos.profile import Profile
from tests.chaos.proxy import Proxy
from tests.chaos.submitter import Submitter

LOOK_SECONDS = 10.0
RECENT = f"{OUTCOMES} where id > (select coalesce(max(id), 0) - 10000 from windlass.task)"
DRAIN_SECONDS = 75.0
WAITING = (
    "select (select count(*) from windlass.ready) + (select count(*) from windlass.deferred)"
    " + (select count(*) from windlass.running)"
)


class Arena:
    """Everything of a run lives below `folder`: ledger, logs, hits of failpoints, the database."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.profile = profile
        self.ledger = Ledger(folder / "ledger")
        self.journal = Ledger(folder / "ledger", "faults")
        self.seen: Ended = {}
        self._place = Place(folder, folder / "ledger", folder / "ledger" / "hits", profile.times)
        self._place.install()
        self.database = Database(folder / "database")
        self.proxy = Proxy(self.database.port)
        self.nodes: list[Node] = []
        self.faults: Faults | None = None

    async def run(self) -> None:
        """Raises AssertionError when a node does not start, or the backlog does not drain."""
        async with AsyncExitStack() as ends:
            ends.callback(self._end_nodes)
            await self.proxy.start()
            ends.push_async_callback(self.proxy.stop)
            self._make_nodes()
            for node in self.nodes:
                node.start(WITNESS)
            for node in self.nodes:
                await node.ready()
            await self._hurt()
            await self._drain()

    def hits(self) -> list[dict[str, Any]]:
        return list(self.ledger.lines("hits"))

    def _make_nodes(self) -> None:
        # Every second node reaches the database through the proxy.
        through = f"{self.database.dsn} port={self.proxy.port}"
        for n in range(self.profile.nodes):
            self.nodes.append(Node(f"node-{n}", self._place, through if n % 2 else self.database.dsn))

    async def _hurt(self) -> None:
        profile, chance = self.profile, random.Random(self.profile.seed)
        submitter = Submitter(self.nodes, self.ledger, random.Random(chance.random()), rate=profile.rate)
        self.faults = faults = Faults(
            self.nodes,
            self.database,
            self.proxy,
            profile.times,
            random.Random(chance.random()),
            self.journal.write,
            lambda: list(self.ledger.lines("hits", b'"pause"')),
        )
        keeper = Keeper(self.nodes, faults.orders)
        submitting = asyncio.create_task(submitter.run())
        at_work = [keeper.run(), faults.hurt_processes(), faults.hurt_database(), self._look()]
        tasks = [asyncio.create_task(work) for work in at_work]
        done, _ = await asyncio.wait(tasks, timeout=profile.minutes * 60, return_when=asyncio.FIRST_EXCEPTION)
        submitter.stopped.set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for broken in done:
            broken.result()
        faults.wrong += keeper.strange
        await self._heal()
        await submitting
        await submitter.close()

    async def _heal(self) -> None:
        """No fault any more: clean links, and fresh processes without failpoints."""
        self.journal.write("heal")
        self.proxy.heal()
        for node in self.nodes:
            thaw(node)
            if node.is_alive:
                node.signal(signal.SIGTERM)
        for node in self.nodes:
            if node.process is not None and await node.ended(30.0) is None:
                node.end()
            node.start(WITNESS)
        for node in self.nodes:
            await node.ready()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.seen |= {row[0]: row[1:] for row in await asyncio.to_thread(self.database.patiently, RECENT)}

    async def _drain(self) -> None:
        began = time.monotonic()
        left = await self._left()
        while left and time.monotonic() - began < DRAIN_SECONDS:
            await asyncio.sleep(0.2)
            left = await self._left()
        self.journal.write("drained", left=left, seconds=round(time.monotonic() - began, 1))
        for node in self.nodes:
            node.is_wanted = False
            node.signal(signal.SIGTERM)
        for node in self.nodes:
            took = await node.ended(30.0)
            assert took is not None, f"{node.name} does not stop, with nothing to do: see {node.log}"
        assert not left, f"{left} tasks are left {DRAIN_SECONDS:g} s after healing"

    async def _left(self) -> int:
        return int((await asyncio.to_thread(self.database.patiently, WAITING))[0][0])

    def _end_nodes(self) -> None:
        for node in self.nodes:
            node.end()
