"""Enqueueing what keeps coming: everything, once, in order, whatever happens to the connection."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from windlass_client import Client, InvalidArgument, NewTask, SyncClient, Unavailable

from tests.clients.fake_server import FakeServer, World, hangs, refuses

BROKEN = refuses(grpc.StatusCode.UNAVAILABLE, "the stream broke")


def numbered(*numbers: int) -> list[NewTask]:
    return [NewTask("Noop", {}, title=str(n)) for n in numbers]


async def each(items: Sequence[NewTask | Sequence[NewTask]]) -> AsyncIterator[NewTask | Sequence[NewTask]]:
    for item in items:
        yield item


def titles(world: World) -> list[str]:
    return [task.title for task in world.tasks.values()]


async def test_each_task_gets_its_handle_in_order_and_tasks_travel_together(client: Client, world: World):
    handles = [handle async for handle in client.enqueue_stream(each(numbered(*range(1, 2501))))]
    assert [handle.id for handle in handles] == list(range(1, 2501))
    assert titles(world) == [str(n) for n in range(1, 2501)]
    sizes = [len(request.requests) for request in world.asked("EnqueueStream")]
    assert len(sizes) < 250
    assert max(sizes) <= 500


async def test_no_message_grows_beyond_what_a_server_takes(client: Client, world: World):
    big = [NewTask("Noop", "x" * 400_000) for _ in range(12)]
    assert len([handle async for handle in client.enqueue_stream(each(big))]) == 12
    assert max(request.ByteSize() for request in world.asked("EnqueueStream")) < 2**20


async def test_a_task_does_not_wait_for_the_next_one(client: Client):
    wanted: asyncio.Queue[NewTask] = asyncio.Queue()

    async def source() -> AsyncIterator[NewTask]:
        while True:
            yield await wanted.get()

    handles = client.enqueue_stream(source())
    for n, task in enumerate(numbered(1, 2, 3), start=1):
        wanted.put_nowait(task)
        assert (await asyncio.wait_for(anext(handles), 10)).id == n
    await handles.aclose()


async def test_a_list_goes_as_one_message_and_an_empty_one_not_at_all(client: Client, world: World):
    source = each([*numbered(1), numbered(2, 3), [], *numbered(4)])
    assert [handle.id async for handle in client.enqueue_stream(source)] == [1, 2, 3, 4]
    messages = [[each.task.title for each in request.requests] for request in world.asked("EnqueueStream")]
    assert ["2", "3"] in messages


async def test_tasks_whose_answers_were_lost_are_stored_once(client: Client, world: World):
    outages: list[str] = []
    world.faults.extend([BROKEN] * 3)
    source = each(numbered(*range(1, 101)))
    stream = client.enqueue_stream(source, on_outage=lambda error: outages.append(error.message))
    assert [handle.id async for handle in stream] == list(range(1, 101))
    assert titles(world) == [str(n) for n in range(1, 101)]
    assert outages == ["the stream broke"]


async def test_a_stream_outlives_a_restart_of_the_server(client: Client, server: FakeServer, world: World):
    async def source() -> AsyncIterator[NewTask]:
        for task in numbered(*range(1, 201)):
            yield task
            if task.title == "100":
                await world.until(lambda: len(world.tasks) >= 100)
                await server.stop()
                await server.start()

    assert [handle.id async for handle in client.enqueue_stream(source())] == list(range(1, 201))
    assert titles(world) == [str(n) for n in range(1, 201)]


async def test_a_refused_task_comes_behind_the_handles_of_those_before_it(client: Client, world: World):
    source = each([*numbered(1), *numbered(2, 3, 4), NewTask("Refused"), *numbered(5, 6), numbered(7)])
    handles = client.enqueue_stream(source)
    assert [(await anext(handles)).id for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(InvalidArgument, match="no such kind") as caught:
        await anext(handles)
    assert caught.value.reason == "KIND_UNKNOWN"
    assert titles(world) == ["1", "2", "3", "4"], "nothing behind it was stored"


async def test_a_list_with_a_refused_task_is_not_stored(client: Client, world: World):
    handles = client.enqueue_stream(each([*numbered(1), [*numbered(2), NewTask("Refused")]]))
    assert (await anext(handles)).id == 1
    with pytest.raises(InvalidArgument, match="no such kind"):
        await anext(handles)
    assert titles(world) == ["1"]


async def test_the_error_of_a_source_comes_behind_what_it_gave(client: Client, world: World):
    async def source() -> AsyncIterator[NewTask]:
        for task in numbered(1, 2):
            yield task
        raise LookupError("no more files")

    handles = client.enqueue_stream(source())
    assert [(await anext(handles)).id, (await anext(handles)).id] == [1, 2]
    with pytest.raises(LookupError, match="no more files"):
        await anext(handles)


async def test_a_task_that_cannot_be_sent_ends_the_stream_behind_those_before_it(client: Client, world: World):
    handles = client.enqueue_stream(each([*numbered(1), NewTask("Noop", {1, 2}), *numbered(3)]))
    assert (await anext(handles)).id == 1
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        await anext(handles)
    assert titles(world) == ["1"]


async def test_nothing_to_enqueue_is_no_error(client: Client, world: World):
    assert [handle async for handle in client.enqueue_stream(each([]))] == []
    assert world.tasks == {}


async def test_no_more_is_read_than_can_be_sent_soon(client: Client, world: World):
    read = 0

    async def source() -> AsyncIterator[NewTask]:
        nonlocal read
        for task in numbered(*range(20_000)):
            read += 1
            yield task

    world.faults.append(hangs)
    handles = client.enqueue_stream(source())
    waiting = asyncio.ensure_future(anext(handles))
    await world.until(lambda: bool(world.calls))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert 1000 <= read <= 8 * 500 + 1001
    waiting.cancel()
    await asyncio.wait([waiting])
    await handles.aclose()


async def test_leaving_early_ends_the_reading_and_the_stream(client: Client, world: World):
    ended = asyncio.Event()

    async def source() -> AsyncIterator[NewTask]:
        try:
            yield numbered(1)[0]
            await asyncio.Event().wait()
        finally:
            ended.set()

    handles = client.enqueue_stream(source())
    assert (await anext(handles)).id == 1
    await handles.aclose()
    await asyncio.wait_for(ended.wait(), 10)


async def test_it_gives_up_when_the_server_stays_away(server: FakeServer, world: World):
    async with Client.connect(server.address, timeout=0.5) as client:
        await server.stop()
        outages: list[str] = []
        stream = client.enqueue_stream(each(numbered(1, 2)), on_outage=lambda error: outages.append(error.message))
        with pytest.raises(Unavailable):
            await anext(stream)
    assert len(outages) == 1, "nobody waits for it a second time to find out which task is to blame"
    await server.start()


async def test_threads_enqueue_what_keeps_coming_too(server: FakeServer, world: World):
    def use() -> list[int]:
        with SyncClient.connect(server.address) as client:
            return [handle.id for handle in client.enqueue_stream(iter(numbered(1, 2, 3)))]

    assert await asyncio.to_thread(use) == [1, 2, 3]
    assert titles(world) == ["1", "2", "3"]
