"""EnqueueStream: stored message by message, answered in order, and held back when it is too much."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc
import pytest
from windlass.errors import StoreUnavailable
from windlass.store.facts import NewTask, Receipt
from windlass_proto.v1 import tasks_service_pb2 as pb
from windlass_proto.v1 import tasks_service_pb2_grpc

from tests.control.calling import BEARER, DEADLINE, Calling, new, said_by
from tests.waiting import eventually

CREATED, REPEATED = pb.EnqueueResponse.RECEIPT_CREATED, pb.EnqueueResponse.RECEIPT_REPEATED


def message(*tasks: pb.NewTask, ids: bool = False) -> pb.EnqueueStreamRequest:
    return pb.EnqueueStreamRequest(
        requests=[pb.EnqueueRequest(task=task, request_id=str(uuid.uuid4()) if ids else "") for task in tasks]
    )


def stream(server: Calling, messages: Any = None) -> grpc.aio.StreamStreamCall:
    call: grpc.aio.StreamStreamCall = server.tasks.EnqueueStream(messages, metadata=BEARER, timeout=DEADLINE)
    return call


async def sent(server: Calling, *messages: pb.EnqueueStreamRequest) -> list[list[pb.EnqueueResponse]]:
    return [list(answer.responses) async for answer in stream(server, iter(messages))]


async def refused_after(
    call: grpc.aio.StreamStreamCall, answers: list[pb.EnqueueStreamResponse]
) -> grpc.aio.AioRpcError:
    """How the stream was refused; what was answered before is put into `answers`."""
    try:
        while isinstance(answer := await call.read(), pb.EnqueueStreamResponse):
            answers.append(answer)
    except grpc.aio.AioRpcError as error:
        return error
    raise AssertionError("the stream ended well")


class HeldStore:
    """Stores batches when it is let, and keeps how many it was given."""

    def __init__(self, server: Calling) -> None:
        self._store = server.kernel.intake._store
        self.gate = asyncio.Event()
        self.given: list[int] = []
        self.away_at = -1
        server.kernel.intake._store = self

    async def __call__(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        self.given.append(len(tasks))
        await self.gate.wait()
        if len(self.given) - 1 == self.away_at:
            raise StoreUnavailable("the store is away")
        return await self._store(tasks)


async def test_each_message_is_stored_and_answered_in_order(server: Calling) -> None:
    messages = [message(*[new(title=f"{n}.{m}") for m in range(n + 1)]) for n in range(6)]
    answers = await sent(server, *messages)
    assert [len(answer) for answer in answers] == [1, 2, 3, 4, 5, 6]
    assert {one.receipt for answer in answers for one in answer} == {CREATED}
    for n, answer in enumerate(answers):
        assert [(await server.get(one.task)).title for one in answer] == [f"{n}.{m}" for m in range(n + 1)]
    assert server.count("task") == 21


async def test_a_stream_without_messages_ends_well(server: Calling) -> None:
    assert await sent(server) == []


async def test_a_message_sent_again_gets_the_first_answers(server: Calling) -> None:
    once = message(new(), new(), ids=True)
    [first] = await sent(server, once)
    [again] = await sent(server, once)
    assert [one.task for one in first] == [one.task for one in again]
    assert {one.receipt for one in again} == {REPEATED}


async def test_a_bad_request_ends_the_stream_and_names_its_place(server: Calling) -> None:
    answers: list[pb.EnqueueStreamResponse] = []
    bad = message(new(), new("Ecko"))
    error = await refused_after(stream(server, iter([message(new()), message(new()), bad, message(new())])), answers)
    refusal = said_by(error)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "KIND_UNKNOWN")
    assert refusal.field == "message[2].requests[1].task.kind"
    assert refusal.facts["message"] == "2"
    assert "message 2: request 1" in refusal.message
    assert len(answers) == 2 == server.count("task")


@pytest.mark.parametrize(
    ("bad", "field", "words"),
    [
        (pb.EnqueueStreamRequest(), "message[0].requests", "no request"),
        (message(*[new()] * 1_001), "message[0].requests", "at most 1000"),
        (
            pb.EnqueueStreamRequest(requests=[pb.EnqueueRequest(task=new(), validate_only=True)]),
            "message[0].requests",
            "validate_only",
        ),
    ],
)
async def test_a_bad_message_is_refused(server: Calling, bad: pb.EnqueueStreamRequest, field: str, words: str) -> None:
    refusal = said_by(await refused_after(stream(server, iter([bad])), []))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    assert words in refusal.message
    assert server.count("task") == 0


async def test_a_request_id_with_another_body_is_found_in_its_message(server: Calling) -> None:
    used = str(uuid.uuid4())
    await server.tasks.Enqueue(pb.EnqueueRequest(task=new(title="a"), request_id=used), timeout=DEADLINE)
    bad = message(new(), new(title="b"))
    bad.requests[1].request_id = used
    refusal = said_by(await refused_after(stream(server, iter([message(new()), bad])), []))
    assert (refusal.reason, refusal.field) == ("REQUEST_ID_REUSED", "message[1].requests[1].request_id")
    assert server.count("task") == 2, "all of a message or nothing"


async def test_what_follows_a_message_that_was_not_stored_is_not_stored_either(server: Calling) -> None:
    store = HeldStore(server)
    store.away_at = 1
    store.gate.set()
    answers: list[pb.EnqueueStreamResponse] = []
    error = await refused_after(stream(server, iter([message(new()) for _ in range(5)])), answers)
    refusal = said_by(error)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert refusal.facts["message"] == "1"
    assert len(answers) == 1 == server.count("task")


async def test_the_answer_follows_the_commit(server: Calling) -> None:
    store = HeldStore(server)
    call = stream(server)
    await call.write(message(new()))
    await eventually(lambda: store.given == [1])
    answer = asyncio.ensure_future(call.read())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(answer), 0.1)
    store.gate.set()
    assert len(getattr(await answer, "responses", ())) == 1
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF


async def test_the_next_message_is_read_while_the_last_commits_and_a_fast_client_is_held_back(server: Calling) -> None:
    store = HeldStore(server)
    sends = 0
    padded = message(*[new(payload=b'{"a": 1' + b" " * 50_000 + b"}")] * 20)

    async def endless() -> AsyncIterator[pb.EnqueueStreamRequest]:
        nonlocal sends
        while sends < 1_000:
            yield padded
            sends += 1

    call = stream(server, endless())
    await eventually(lambda: store.given == [20])
    [read] = server.kernel.intake._streams
    await eventually(read._read.full)
    seen = -1
    while seen != sends:
        seen = sends
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.2)
    assert 3 <= seen < 50, "of a megabyte each: nobody holds back"
    assert store.given == [20]
    call.cancel()
    store.gate.set()
    await eventually(lambda: not server.kernel.intake._streams)


async def test_a_client_that_goes_away_leaves_whole_messages_or_nothing(server: Calling) -> None:
    store = HeldStore(server)
    call = stream(server)
    for _ in range(3):
        await call.write(message(*[new()] * 7))
    await eventually(lambda: store.given == [7])
    call.cancel()
    await eventually(lambda: not server.kernel.intake._streams)
    store.gate.set()
    await server.kernel.enqueuer.finished()
    assert server.count("task") in (0, 7)
    assert store.given == [7]


async def test_a_drain_answers_what_was_read_and_says_that_it_goes(server: Calling) -> None:
    store = HeldStore(server)
    call = stream(server)
    await call.write(message(new()))
    await call.write(message(new()))
    await eventually(lambda: store.given == [1])
    [read] = server.kernel.intake._streams
    await eventually(read._read.full)
    server.kernel.intake.close()
    store.gate.set()
    answers: list[pb.EnqueueStreamResponse] = []
    refusal = said_by(await refused_after(call, answers))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    assert refusal.facts["message"] == "2"
    assert len(answers) == 2 == server.count("task")
    later = said_by(await refused_after(stream(server, iter([message(new())])), []))
    assert later.reason == "SHUTTING_DOWN"


async def test_a_drain_ends_a_stream_on_which_nothing_comes(server: Calling) -> None:
    call = stream(server)
    await call.write(message(new()))
    await call.read()
    await server.kernel.drain()
    refusal = said_by(await refused_after(call, []))
    assert (refusal.reason, refusal.facts["message"]) == ("SHUTTING_DOWN", "1")


async def test_no_stream_lets_a_stranger_in(server: Calling) -> None:
    async with grpc.aio.insecure_channel(server.address) as channel:
        call = tasks_service_pb2_grpc.TasksStub(channel).EnqueueStream(iter([message(new())]), timeout=DEADLINE)
        refusal = said_by(await refused_after(call, []))
    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED
    assert server.count("task") == 0
