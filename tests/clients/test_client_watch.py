"""Watching a task: everything, once, in order, whatever happens to the connection."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_client import (
    Client,
    DeadlineExceeded,
    Event,
    FailedPrecondition,
    NotFound,
    OutputWritten,
    Progress,
    ProgressMade,
    QueueChange,
    QueueCurrent,
    StageEntered,
    State,
    StateChanged,
    StepWritten,
    Stream,
    TaskCanceled,
    TaskFailed,
    TaskGone,
    TaskSeen,
    Unavailable,
    WindlassError,
    watching,
)
from windlass_proto.v1 import event_pb2, task_pb2, tasks_service_pb2

from tests.clients.fake_server import FakeServer, World, a_task, refuses

RUNNING = event_pb2.StateChange(state=task_pb2.Task.STATE_RUNNING, node="host/7")


@pytest.fixture(autouse=True)
async def a_running_task(world: World) -> None:
    world.tasks[1] = a_task(1, state=task_pb2.Task.STATE_RUNNING)
    await world.say(1, 10_000_000, state=RUNNING)


async def test_events_are_values_of_their_own_class(client: Client, world: World):
    await world.say(1, 10_000_002, stage="planning")
    await world.say(1, 10_000_003, progress=task_pb2.Progress(current=1, total=4))
    await world.say(1, 10_000_004, step=event_pb2.StepLine(text="a line", data=task_pb2.Payload(data=b'{"n": 1}')))
    await world.say(
        1, 10_000_005, output=event_pb2.Output(stream=event_pb2.Output.STREAM_STDERR, data=b"\xff", dropped=9)
    )
    await world.say(1, 10_000_006)
    await world.end(1, task_pb2.Task.STATE_COMPLETED, result=b"[1, 2]")
    first, *told = [event async for event in client.watch(1)]
    times = [event.time for event in told]
    assert isinstance(first, StateChanged)
    assert (first.state, first.node) == (State.RUNNING, "host/7")
    assert told[:5] == [
        StageEntered(10_000_002, 1, times[0], "planning"),
        ProgressMade(10_000_003, 1, times[1], Progress(1, 4)),
        StepWritten(10_000_004, 1, times[2], "a line", {"n": 1}),
        OutputWritten(10_000_005, 1, times[3], Stream.STDERR, b"\xff", 9),
        Event(10_000_006, 1, times[4]),
    ]
    assert told[5] == StateChanged(19_999_999, 1, times[5], State.COMPLETED, "", "", None, [1, 2])


async def test_a_broken_stream_goes_on_behind_the_last_event(client: Client, world: World):
    for n in range(2, 9):
        await world.say(1, 10_000_000 + n, stage=f"stage {n}")
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    world.break_behind = 10_000_005
    sequences = [event.sequence async for event in client.watch(1)]
    assert sequences == [10_000_000, *range(10_000_002, 10_000_009), 19_999_999]
    assert [request.after_sequence for request in world.asked("Watch")] == [0, 10_000_005]


async def test_an_event_that_comes_twice_is_told_once(client: Client, world: World):
    await world.say(1, 10_000_003, stage="once")
    await world.say(1, 10_000_003, stage="once")
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    assert [event.sequence async for event in client.watch(1)] == [10_000_000, 10_000_003, 19_999_999]


async def test_a_watch_outlives_a_restart_of_the_server(client: Client, server: FakeServer, world: World):
    seen: list[int] = []

    outages: list[str] = []

    async def follow() -> None:
        watch = client.watch(1, on_outage=lambda error: outages.append(error.code))
        seen.extend([event.sequence async for event in watch])

    following = asyncio.create_task(follow())
    await world.until(lambda: world.watchers == 1)
    await server.stop()
    await server.start()
    await world.until(lambda: len(world.asked("Watch")) >= 2)
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    await asyncio.wait_for(following, 20)
    assert seen == [10_000_000, 19_999_999]
    assert outages == ["UNAVAILABLE"]


async def test_a_watch_gives_up_when_the_server_stays_away(server: FakeServer, world: World):
    async with Client.connect(server.address, timeout=0.5) as client:
        events = client.watch(1)
        await anext(events)
        await server.stop()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await anext(events)
        assert 0.4 <= time.monotonic() - began < 5
    await server.start()


async def test_a_refused_watch_is_not_tried_again(client: Client, world: World):
    with pytest.raises(NotFound):
        await anext(client.watch(99))
    assert len(world.asked("Watch")) == 1


async def test_after_sequence_is_where_a_watch_begins(client: Client, world: World):
    await world.say(1, 10_000_002, stage="later")
    event = await anext(client.watch(1, after_sequence=10_000_000))
    assert event.sequence == 10_000_002


async def test_a_watch_hears_that_its_client_was_closed_and_a_cancelled_one_is_cancelled(
    server: FakeServer, world: World
):
    client = Client.connect(server.address, "secret")

    async def watched() -> None:
        async for _ in client.watch(1):
            pass

    given_up, left_alone = asyncio.create_task(watched()), asyncio.create_task(watched())
    await world.until(lambda: world.watchers == 2)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    await client.close()
    with pytest.raises(WindlassError, match="the client was closed") as raised:
        await left_alone
    assert raised.value.reason == "CLIENT_CLOSED"


async def test_leaving_a_watch_ends_the_stream_on_the_server(client: Client, world: World):
    events = client.watch(1)
    await anext(events)
    assert world.watchers == 1
    await events.aclose()
    await world.until(lambda: world.watchers == 0)


async def test_the_result_is_what_the_handler_returned(client: Client, world: World):
    await world.end(1, task_pb2.Task.STATE_COMPLETED, result=b'{"greeted": "Ada"}')
    assert await client.result(1) == {"greeted": "Ada"}


async def test_the_result_of_a_failed_task_is_an_error_with_its_words(client: Client, world: World):
    await world.end(1, task_pb2.Task.STATE_FAILED, "exit code 3", b'{"exit_code": 3}')
    with pytest.raises(TaskFailed, match="exit code 3") as caught:
        await client.result(1)
    assert (caught.value.id, caught.value.result) == (1, {"exit_code": 3})


async def test_the_result_of_an_interrupted_task_is_an_error_of_its_own(client: Client, world: World):
    await client.interrupt(1, "not needed")
    with pytest.raises(TaskCanceled, match="not needed"):
        await client.result(1)


async def test_waiting_for_a_result_ends_in_time(client: Client, world: World):
    with pytest.raises(DeadlineExceeded, match=r"task 1 was not over within 0\.1 s"):
        await client.result(1, timeout=0.1)
    await world.until(lambda: world.watchers == 0)


async def test_a_task_that_is_over_cannot_be_interrupted(client: Client, world: World):
    await world.end(1, task_pb2.Task.STATE_COMPLETED)
    world.faults.append(refuses(grpc.StatusCode.FAILED_PRECONDITION, "it has ended", reason="TASK_OVER"))
    with pytest.raises(FailedPrecondition, match="it has ended") as caught:
        await client.interrupt(1)
    assert caught.value.reason == "TASK_OVER"


def on_page(*ids: int, **fields: Any) -> list[tasks_service_pb2.QueueChange]:
    """Every task of a page, and that this is all."""
    changes = [tasks_service_pb2.QueueChange(task=a_task(id, **fields)) for id in ids]
    return [*changes, tasks_service_pb2.QueueChange(current=Timestamp(seconds=1))]


async def test_a_watched_queue_that_broke_tells_what_changed_meanwhile(client: Client, world: World):
    broken = refuses(grpc.StatusCode.UNAVAILABLE, "the stream broke")
    gone = tasks_service_pb2.QueueChange(gone="tasks/4")
    world.answers["WatchQueue"].extend([[*on_page(1, 2, 3, 4), gone, broken], [*on_page(2, 5), gone, *on_page(2)]])
    changes = client.watch_queue(filter="priority > 5", order_by="id", page_size=9)
    told = [await anext(changes) for _ in range(11)]
    await changes.aclose()
    current = QueueCurrent(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    shown = [each.task.id if isinstance(each, TaskSeen) else each for each in told]
    assert shown == [1, 2, 3, 4, current, TaskGone(4), 5, TaskGone(1), TaskGone(3), current, current]
    asked = world.asked("WatchQueue")[0]
    assert (asked.filter, asked.order_by, asked.page_size) == ("priority > 5", "id", 9)


async def test_a_change_of_a_watched_queue_that_a_newer_server_knows_is_no_error(client: Client, world: World):
    world.answers["WatchQueue"].append([tasks_service_pb2.QueueChange()])
    changes = client.watch_queue()
    assert await anext(changes) == QueueChange()
    await changes.aclose()


async def test_a_stream_that_was_open_as_long_as_it_may_be_is_no_outage(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(watching, "LONGEST_STREAM_S", 0.2)
    outages: list[WindlassError] = []
    following = asyncio.ensure_future(anext(client.watch(1, 10_000_000, on_outage=outages.append)))
    await world.until(lambda: len(world.asked("Watch")) >= 3)
    await world.say(1, 10_000_002, stage="later")
    assert (await asyncio.wait_for(following, 10)).sequence == 10_000_002
    assert outages == []
