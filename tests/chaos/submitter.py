"""Submits over gRPC as a service would: with a request id, and on doubt once more, at any node.

A line goes into the ledger before each call and after each answer.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping

from windlass_client import Client, FailedPrecondition, Handle, InvalidArgument, NewTask, WindlassError

from tests.chaos.ledger import Ledger
from tests.chaos.nodes import Node

CALL_SECONDS = 3.0
TRIES = 20
REPEATED, BENT, INTERRUPTED = 0.05, 0.02, frozenset({"long", "stubborn"})
HOWS: Mapping[str, int] = {"quick": 50, "slow": 28, "retry": 8, "burst": 4, "fail": 4, "long": 4, "stubborn": 2}


class Submitter:
    """`rate`: tasks a second, spread over `callers` that each wait for their answers."""

    def __init__(self, nodes: list[Node], ledger: Ledger, chance: random.Random, *, rate: float) -> None:
        self._nodes = nodes
        self._ledger = ledger
        self._chance = chance
        self._rate = rate
        self._clients: dict[str, Client] = {}
        self._calls: set[asyncio.Task[None]] = set()
        self.stopped = asyncio.Event()

    async def run(self) -> None:
        """Until `stopped`; returns once every call has its end."""
        while not self.stopped.is_set():
            call = asyncio.create_task(self._submit(self._chance.choices(list(HOWS), list(HOWS.values()))[0]))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            await asyncio.sleep(self._chance.expovariate(self._rate))
            while len(self._calls) > 300:
                await asyncio.wait(self._calls, return_when=asyncio.FIRST_COMPLETED)
        while self._calls:
            await asyncio.wait(self._calls)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _submit(self, how: str) -> None:
        key = str(uuid.UUID(int=self._chance.getrandbits(128), version=4))
        seconds = {"slow": self._chance.uniform(0.2, 6.0), "long": 20.0, "stubborn": 12.0}.get(how, 0.0)
        task = NewTask("Act", {"key": key, "how": how, "seconds": round(seconds, 3)}, request_id=key)
        self._ledger.write("try", key=key, how=how)
        acknowledged = await self._enqueue(task)
        if acknowledged is None:
            return
        if self._chance.random() < REPEATED:
            await self._enqueue(task)
        if self._chance.random() < BENT:
            await self._bend(task)
        if how in INTERRUPTED:
            await asyncio.sleep(self._chance.uniform(0.2, 3.0))
            await self._interrupt(key, acknowledged)

    async def _enqueue(self, task: NewTask) -> int | None:
        for _ in range(TRIES):
            try:
                handle = await self._ask(task)
            except WindlassError as error:
                if isinstance(error, InvalidArgument):
                    self._ledger.write("refused", key=task.request_id, message=error.message)
                    return None
                await asyncio.sleep(0.2)
            else:
                self._ledger.write("ack", key=task.request_id, task=handle.id, status=str(handle.receipt.status))
                return handle.id
        self._ledger.write("gave up", key=task.request_id)
        return None

    async def _bend(self, task: NewTask) -> None:
        """The same request id with another body."""
        bent = NewTask(task.kind, {**task.payload, "seconds": 0.001}, request_id=task.request_id)
        for _ in range(TRIES):
            try:
                handle = await self._ask(bent)
            except InvalidArgument as error:
                self._ledger.write("bent", key=task.request_id, reason=error.reason)
                return
            except WindlassError:
                await asyncio.sleep(0.2)
            else:
                self._ledger.write("bent", key=task.request_id, reason=f"made task {handle.id}")
                return

    async def _interrupt(self, key: str, task: int) -> None:
        for _ in range(TRIES):
            try:
                found = await self._client().interrupt(task, "chaos")
            except FailedPrecondition:
                return
            except WindlassError:
                await asyncio.sleep(0.2)
            else:
                self._ledger.write("interrupted", key=key, task=task, state=str(found.state))
                return

    async def _ask(self, task: NewTask) -> Handle:
        return await self._client().enqueue(task.kind, task.payload, request_id=task.request_id)

    def _client(self) -> Client:
        node = self._chance.choice(self._nodes)
        if node.name not in self._clients:
            self._clients[node.name] = node.client(CALL_SECONDS)
        return self._clients[node.name]
