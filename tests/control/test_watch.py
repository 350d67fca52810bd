"""Watch: what happened, then what happens, to the end; resumable everywhere, and free when nobody listens."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from windlass.core.sequence import ENDED, sequence
from windlass_proto.v1 import event_pb2
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused, said_by
from tests.waiting import eventually


def watch(server: Calling, name: str, after: int = 0) -> grpc.aio.UnaryStreamCall:
    return server.tasks.Watch(pb.WatchRequest(name=name, after_sequence=after), timeout=DEADLINE)


async def read_until(stream: grpc.aio.UnaryStreamCall, text: str) -> list[event_pb2.Event]:
    events: list[event_pb2.Event] = []
    async for event in stream:
        events.append(event)
        if event.step.text == text:
            return events
    raise AssertionError(f"the stream ended before {text}")


def states(events: list[event_pb2.Event]) -> list[int]:
    return [event.state.state for event in events if event.HasField("state")]


async def test_the_backlog_comes_first_then_what_happens_then_ok(server: Calling) -> None:
    server.wait.tape.put_nowait(1)
    name = await server.enqueue("Wait")
    await server.at(name, State.STATE_RUNNING)
    await eventually(lambda: server.count("step") >= 2)
    stream = watch(server, name)
    before = await read_until(stream, "word 1")
    assert states(before) == [State.STATE_PENDING, State.STATE_RUNNING]
    assert [event.stage for event in before if event.HasField("stage")] == ["waiting"]
    server.wait.tape.put_nowait(2)
    live = await read_until(stream, "word 2")
    server.wait.gate.set()
    rest = [event async for event in stream]
    assert states(rest)[-1] == State.STATE_COMPLETED
    assert rest[-1].state.HasField("result") is False or rest[-1].state.result.data == b"null"
    assert await stream.code() is grpc.StatusCode.OK
    every = [*before, *live, *rest]
    assert b"".join(event.output.data for event in every) == b"1\n2\n"
    sequences = [event.sequence for event in every]
    assert sequences == sorted(set(sequences))
    assert {event.attempt for event in every[1:]} == {1}


async def test_resuming_at_every_sequence_gives_exactly_the_rest(server: Calling) -> None:
    name = await server.enqueue(payload={f"line {n}": n for n in range(10)})
    await server.ended(name)
    whole = await server.watched(name)
    assert len(whole) == 13
    for n, event in enumerate(whole):
        assert await server.watched(name, event.sequence) == whole[n + 1 :]
    assert await server.watched(name, whole[-1].sequence + 1) == []
    assert await server.watched(name, 2**62) == []


async def test_a_stream_that_broke_is_resumed_without_gap_or_repeat(server: Calling) -> None:
    name = await server.enqueue("Wait")
    seen: list[event_pb2.Event] = []
    for n in range(5):
        server.wait.tape.put_nowait(n)
        stream = watch(server, name, seen[-1].sequence if seen else 0)
        seen += await read_until(stream, f"word {n}")
        stream.cancel()
    server.wait.gate.set()
    seen += await server.watched(name, seen[-1].sequence)
    assert seen == await server.watched(name)


async def test_a_failed_task_ends_the_stream_with_ok_and_its_state(server: Calling) -> None:
    name = await server.enqueue(payload={"fail": 1})
    events = await server.watched(name)
    assert states(events)[-1] == State.STATE_FAILED
    assert events[-1].state.message == "asked to fail"
    assert events[-1].state.result.data


async def test_many_watchers_of_one_task_see_the_same(server: Calling) -> None:
    name = await server.enqueue("Wait")
    watching = [asyncio.create_task(server.watched(name)) for _ in range(20)]
    await eventually(lambda: server.kernel.watches.hungry == 20)
    for n in range(3):
        server.wait.tape.put_nowait(n)
    await eventually(server.wait.tape.empty)
    server.wait.gate.set()
    seen = await asyncio.gather(*watching)
    whole = await server.watched(name)
    assert all(one == whole for one in seen)


async def test_a_client_that_goes_away_frees_its_handler(server: Calling) -> None:
    name = await server.enqueue("Wait")
    streams = [watch(server, name) for _ in range(10)]
    for stream in streams:
        await stream.read()
    await eventually(lambda: server.kernel.watches.hungry == 10)
    for stream in streams[:5]:
        stream.cancel()
    await eventually(lambda: server.kernel.watches.hungry == 5)
    other = grpc.aio.insecure_channel(server.address)
    await other.close()
    for stream in streams[5:]:
        stream.cancel()
    await eventually(lambda: not server.kernel.watches.hungry)


async def test_a_watch_ends_at_its_deadline_and_is_freed(server: Calling) -> None:
    name = await server.enqueue("Wait")
    stream = server.tasks.Watch(pb.WatchRequest(name=name), timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        [event async for event in stream]
    assert said_by(raised.value).code is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: not server.kernel.watches.hungry)


async def test_a_negative_sequence_is_refused(server: Calling) -> None:
    name = await server.enqueue()
    refusal = await refused(server.watched(name, -1))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")
    assert refusal.field == "after_sequence"


async def test_a_long_backlog_comes_whole(server: Calling) -> None:
    name = await server.enqueue(payload={f"line {n:04}": n for n in range(700)})
    await server.ended(name)
    events = await server.watched(name)
    assert [event.step.text for event in events if event.HasField("step")] == [f"line {n:04}" for n in range(700)]


@pytest.mark.parametrize("beyond", [1, 10_000_000, 2**62])
async def test_a_sequence_that_no_event_can_have_had_is_refused(server: Calling, beyond: int) -> None:
    name = await server.enqueue("Wait")
    await server.at(name, State.STATE_RUNNING)
    refusal = await refused(server.watched(name, sequence(1, ENDED) + beyond - 1))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "after_sequence")


async def test_a_watch_after_the_end_of_an_ended_task_is_empty(server: Calling) -> None:
    name = await server.enqueue()
    await server.ended(name)
    last = (await server.watched(name))[-1].sequence
    assert await server.watched(name, last) == []
    assert await server.watched(name, last + 1) == []
