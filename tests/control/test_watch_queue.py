"""WatchQueue: the first page of a list, and then what becomes of it."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from windlass.host import pages
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused, said_by
from tests.control.test_enqueue import later
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "LOOK_SECONDS", 0.02)


def watch(server: Calling, **asked: Any) -> Any:
    return server.tasks.WatchQueue(pb.WatchQueueRequest(**asked), timeout=DEADLINE)


async def until_current(stream: Any) -> list[pb.QueueChange]:
    """What came before the next `current`."""
    changes: list[pb.QueueChange] = []
    while True:
        change = await stream.read()
        assert change is not grpc.aio.EOF
        if change.HasField("current"):
            return changes
        changes.append(change)


async def test_first_comes_everything_then_current_then_what_enters_changes_and_leaves(server: Calling) -> None:
    waits = await server.enqueue(due_time=later(), title="waits")
    stream = watch(server)
    assert [change.task.title for change in await until_current(stream)] == ["waits"]
    runs = await server.enqueue("Wait", due_time=later())
    [entered] = await until_current(stream)
    assert (entered.task.name, entered.task.state) == (runs, State.STATE_PENDING)
    await server.tasks.Reprioritize(pb.ReprioritizeRequest(name=waits, priority=99), timeout=DEADLINE)
    [changed] = await until_current(stream)
    assert (changed.task.name, changed.task.priority) == (waits, 99)
    await server.tasks.Interrupt(pb.InterruptRequest(name=waits), timeout=DEADLINE)
    [left] = await until_current(stream)
    assert left.gone == waits
    stream.cancel()


async def test_only_what_passes_the_filter_in_the_first_page_of_the_order_is_watched(server: Calling) -> None:
    made = [await server.enqueue(title=f"a{n}", priority=n, due_time=later()) for n in range(4)]
    await server.enqueue(title="b", priority=50, due_time=later())
    stream = watch(server, filter="title = a*", order_by="priority desc", page_size=2)
    assert [change.task.name for change in await until_current(stream)] == [made[3], made[2]]
    best = await server.enqueue(title="a best", priority=20, due_time=later())
    changes = await until_current(stream)
    assert [change.task.name for change in changes if change.HasField("task")] == [best]
    assert [change.gone for change in changes if change.gone] == [made[2]]
    stream.cancel()


async def test_nothing_new_is_said_to_be_current_now_and_then(server: Calling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "CURRENT_SECONDS", 0.05)
    stream = watch(server)
    times = []
    for _ in range(3):
        change = await stream.read()
        times.append(change.current.ToDatetime())
    assert times == sorted(set(times))
    stream.cancel()


async def test_watchers_of_one_list_share_a_look_and_free_it_when_they_go(server: Calling) -> None:
    streams = [watch(server, filter="priority > 5") for _ in range(10)] + [watch(server, page_size=3)]
    for stream in streams:
        await stream.read()
    assert (server.kernel.pages.followers, server.kernel.pages.lists) == (11, 2)
    for stream in streams[:9]:
        stream.cancel()
    await eventually(lambda: server.kernel.pages.followers == 2)
    assert server.kernel.pages.lists == 2
    for stream in streams[9:]:
        stream.cancel()
    await eventually(lambda: server.kernel.pages.followers == server.kernel.pages.lists == 0)


@pytest.mark.parametrize(
    ("asked", "field"),
    [({"filter": "x = 1"}, "filter"), ({"order_by": "x"}, "order_by"), ({"page_size": -1}, "page_size")],
)
async def test_a_bad_request_ends_the_stream_with_its_field(server: Calling, asked: Any, field: str) -> None:
    async def read() -> None:
        async for _ in watch(server, **asked):
            pass

    refusal = await refused(read())
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)


async def test_a_watch_ends_at_its_deadline_and_is_freed(server: Calling) -> None:
    stream = server.tasks.WatchQueue(pb.WatchQueueRequest(), timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        async for _ in stream:
            pass
    assert said_by(raised.value).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: not server.kernel.pages.followers)
