"""Kernels in this process on the test's database, and stores that misbehave on purpose."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec
import psycopg
from windlass.config import NodeConfig
from windlass.errors import StoreUnavailable
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.store.facts import Asked, EventFacts, TaskFacts, Watched
from windlass.store.port import Queue, Store
from windlass.store.postgres import open_store

from tests.contract.facts import new_task
from tests.host.handlers import Play, Theatre
from tests.waiting import eventually

ALL = 100_000


class Rig:
    """`enqueue` names a play and says what it does; `ended` is the task once it has ended."""

    def __init__(self, dsn: str, store: Store) -> None:
        self.dsn = dsn
        self.store = store
        self.theatre = Theatre()
        self.kernels: list[Kernel] = []
        self._stores: list[Store] = []

    async def start(
        self, *, slots: int = 4, store: Store | None = None, plugins: Mapping[str, object] | None = None, **node: Any
    ) -> Kernel:
        settings: dict[str, Any] = {"pools": {"default": slots}, "drain_grace": 0.2}
        config = NodeConfig(**(settings | node))
        # Workers load every installed plugin by themselves; the tests' own are enough for them.
        extra = {"theatre": self.theatre, "isolated": "tests.host.isolated"} | dict(plugins or {})
        kernel = Kernel(store or self.store, load_plugins({}, extra, installed=False), config)
        await kernel.start()
        self.kernels.append(kernel)
        return kernel

    async def another_store(self) -> Store:
        """A second store on the same database, as a second process would have."""
        store = await open_store(self.dsn, connections=4)
        self._stores.append(store)
        return store

    async def shared(self, *slots: int) -> None:
        """Until the kernels fill so many slots of their one pool, in the order of their start."""
        await eventually(lambda: tuple(kernel.node.dispatchers[0].slots for kernel in self.kernels) == slots)

    async def close(self) -> None:
        self.theatre.released.set()
        for kernel in self.kernels:
            await stop(kernel)
        for store in self._stores:
            await store.close()

    async def enqueue(self, play: Play, *, kind: str = "Play", **changes: Any) -> int:
        name = f"{len(self.theatre.plays)} {play.__name__}"
        self.theatre.plays[name] = play
        payload = msgspec.json.encode({"play": name}).decode()
        task = new_task(kind=kind, payload=payload, **changes)
        [receipt] = await self.store.queue.enqueue([task])
        for kernel in self.kernels:
            kernel.node.stored([task])
        return receipt.task

    async def act(self, name: str, *, kind: str = "InProcess", file: str = "", **changes: Any) -> int:
        """Enqueue one of the acts of tests.host.isolated."""
        payload = msgspec.json.encode({"name": name, "file": file}).decode()
        task = new_task(kind=kind, payload=payload, **changes)
        [receipt] = await self.store.queue.enqueue([task])
        for kernel in self.kernels:
            kernel.node.stored([task])
        return receipt.task

    async def task(self, task: int) -> TaskFacts:
        facts = await self.store.library.task(task)
        assert facts is not None
        return facts

    async def ended(self, task: int, within: float = 10.0) -> TaskFacts:
        async def look() -> TaskFacts | None:
            facts = await self.task(task)
            return facts if facts.state.final else None

        facts = await eventually(look, within)
        assert facts is not None
        return facts

    async def began(self, task: int, attempt: int = 1) -> None:
        await eventually(lambda: (task, attempt) in self.theatre.began)

    async def events(self, task: int) -> list[EventFacts]:
        return (await self.store.library.events([Watched(task, 0)], ALL)).get(task, [])

    async def texts(self, task: int, type_: int) -> list[str]:
        return [event.text for event in await self.events(task) if event.type == type_]

    def execute(self, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    def count(self, table: str) -> int:
        return int(self.execute(f"select count(*) from windlass.{table}")[0][0])


async def stop(kernel: Kernel) -> None:
    """What `serve` does at SIGTERM."""
    await kernel.drain()
    await kernel.stop()


def asked(task: int, reason: str = "") -> Asked:
    return Asked(task, "ada", reason)


class ForgetfulQueue:
    """A queue whose answers get lost: the call happens, and its caller hears that the store is away.

    `losses` counts by method how many answers are still to be lost; an empty claim is not worth losing.
    """

    def __init__(self, queue: Queue, **losses: int) -> None:
        self._queue = queue
        self.losses = Counter(losses)
        self.lost: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any) -> Any:
            answer = await getattr(self._queue, name)(*arguments)
            if answer and self.losses[name] > 0:
                self.losses[name] -= 1
                self.lost[name] += 1
                raise StoreUnavailable("the answer got lost")
            return answer

        return call


class SlowClaims:
    """A queue whose claims, once committed, wait for `let_go` before they come back."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.committed = asyncio.Event()
        self.let_go = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)

    async def claim(self, *arguments: Any) -> Any:
        claimed = await self._queue.claim(*arguments)
        if claimed:
            self.committed.set()
            await self.let_go.wait()
        return claimed
