"""The synchronous client is the asynchronous one, waited for."""

import asyncio
import inspect

import pytest
from windlass_client import Client, NotFound, SyncClient
from windlass_proto.v1 import task_pb2

from tests.clients.fake_server import FakeServer, World, a_task


async def test_it_enqueues_follows_and_returns_results(server: FakeServer, world: World):
    def use() -> tuple[int, list[int], object]:
        with SyncClient.connect(server.address) as client:
            handle = client.enqueue("Noop", {}, title="from a thread")
            ended.set_result(handle.id)
            return handle.id, [event.sequence for event in handle.watch()], handle.result(timeout=5)

    loop = asyncio.get_running_loop()
    ended = _Handover(loop)
    using = asyncio.create_task(asyncio.to_thread(use))
    await world.end(await ended.future, task_pb2.Task.STATE_COMPLETED, result=b"7")
    assert await using == (1, [19_999_999], 7)


async def test_leaving_its_iteration_early_ends_the_stream(server: FakeServer, world: World):
    world.tasks[1] = a_task(1)
    await world.say(1, 10_000_002, stage="one")

    def use() -> None:
        with SyncClient.connect(server.address) as client:
            for _ in client.watch(1):
                break

    await asyncio.to_thread(use)
    await world.until(lambda: world.watchers == 0)


async def test_its_errors_are_the_same(server: FakeServer):
    def use() -> None:
        with SyncClient.connect(server.address) as client:
            client.get_task(42)

    with pytest.raises(NotFound):
        await asyncio.to_thread(use)


async def test_its_lists_are_iterators(server: FakeServer, world: World):
    world.tasks = {n: a_task(n) for n in range(1, 6)}

    def use() -> list[int]:
        with SyncClient.connect(server.address) as client:
            return [task.id for task in client.list_tasks(page_size=2)]

    assert await asyncio.to_thread(use) == [1, 2, 3, 4, 5]


def test_it_offers_everything_the_asynchronous_client_offers():
    def offered(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}

    assert offered(SyncClient) == offered(Client)


class _Handover:
    """A value from a thread to the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.future: asyncio.Future[int] = loop.create_future()

    def set_result(self, value: int) -> None:
        self._loop.call_soon_threadsafe(self.future.set_result, value)
