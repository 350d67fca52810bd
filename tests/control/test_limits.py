"""The limits of a server, each of them overstepped."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from windlass.control.server import Limits
from windlass.control.tasks import TasksServicer
from windlass_proto.v1 import task_pb2, tasks_service_pb2_grpc
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control import http2
from tests.control.calling import BEARER, DEADLINE, TOKEN, Calling, State, calling, new, refused
from tests.waiting import eventually


def test_the_limits_are_the_ones_that_are_promised() -> None:
    promised = Limits()
    assert (promised.message, promised.metadata) == (4 * 1024 * 1024, 16 * 1024)
    assert (promised.streams, promised.calls, promised.deadline, promised.ping_every) == (1_000, 10_000, 60.0, 10.0)
    assert promised.recheck < 30


async def test_a_message_over_4_mib_is_refused_and_the_next_call_works(server: Calling) -> None:
    request = tasks.EnqueueRequest(task=new(payload=b'"' + b"x" * (4 * 1024 * 1024) + b'"'))
    refusal = await refused(server.tasks.Enqueue(request, timeout=DEADLINE))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert await server.enqueue()


@pytest.mark.parametrize("size", [16 * 1024, 18 * 1024, 64 * 1024])
async def test_metadata_over_16_kib_is_refused_every_time(server: Calling, size: int) -> None:
    """Between a soft and a hard limit gRPC would let some of it pass, at random."""
    for _ in range(10):
        big = (*BEARER, ("x-big", "x" * size))
        async with grpc.aio.insecure_channel(server.address) as channel:
            stub = tasks_service_pb2_grpc.TasksStub(channel)
            refusal = await refused(stub.List(tasks.ListTasksRequest(), metadata=big, timeout=DEADLINE))
        assert refusal.code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE), refusal


async def test_metadata_of_12_kib_passes(server: Calling) -> None:
    metadata = (("x-big", "x" * 12 * 1024),)
    await server.tasks.List(tasks.ListTasksRequest(), metadata=metadata, timeout=DEADLINE)


async def test_more_calls_than_a_connection_may_have_wait_for_one_to_end(dsn: str, store: Any) -> None:
    async with calling(dsn, store, limits=Limits(streams=2)) as server:
        name = await server.enqueue("Wait")
        streams = [server.tasks.Watch(tasks.WatchRequest(name=name), timeout=DEADLINE) for _ in range(2)]
        for stream in streams:
            await stream.read()
        third = asyncio.create_task(server.get(name))
        done, _ = await asyncio.wait([third], timeout=0.3)
        assert not done
        streams[0].cancel()
        assert (await asyncio.wait_for(third, DEADLINE)).name == name


async def test_a_client_that_opens_more_streams_than_it_was_told_is_refused(dsn: str, store: Any) -> None:
    async with calling(dsn, store, limits=Limits(streams=3)) as server:
        connection = await http2.Connection.open(server.address)
        told = http2.settings(await connection.until(http2.SETTINGS))
        assert told[http2.MAX_CONCURRENT_STREAMS] == 3
        assert told[http2.MAX_HEADER_LIST_SIZE] == 16 * 1024
        await connection.send(http2.SETTINGS, http2.ACK)
        for n in range(4):
            call = http2.headers("/windlass.v1.Tasks/EnqueueStream", authorization=f"Bearer {TOKEN}")
            await connection.send(http2.HEADERS, http2.END_HEADERS, 2 * n + 1, call)
        reset = await connection.until(http2.RESET)
        await connection.close()
    assert (reset.stream, int.from_bytes(reset.data, "big")) == (7, http2.REFUSED_STREAM)


async def test_a_client_that_pings_all_the_time_is_sent_away(server: Calling) -> None:
    connection = await http2.Connection.open(server.address)
    await connection.until(http2.SETTINGS)
    await connection.send(http2.SETTINGS, http2.ACK)
    # One after the other: what stands unread when the server hangs up would take its last word with it.
    for n in range(6):
        await connection.send(http2.PING, data=bytes([n]) * 8)
        gone = await connection.until(http2.PING, http2.GOAWAY)
        if gone.type == http2.GOAWAY:
            break
    await connection.close()
    assert gone.type == http2.GOAWAY
    assert int.from_bytes(gone.data[4:8], "big") == http2.ENHANCE_YOUR_CALM
    assert b"too_many_pings" in gone.data


async def test_more_calls_than_the_server_takes_at_once_are_refused(dsn: str, store: Any) -> None:
    async with calling(dsn, store, limits=Limits(calls=2)) as server:
        name = await server.enqueue("Wait")
        streams = [server.tasks.Watch(tasks.WatchRequest(name=name), timeout=DEADLINE) for _ in range(2)]
        for stream in streams:
            await stream.read()
        refusal = await refused(server.get(name))
        assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        streams[0].cancel()
        assert await eventually(lambda: _answers(server, name))


async def test_strangers_who_watch_health_leave_the_places_of_others_alone(dsn: str, store: Any) -> None:
    async with (
        calling(dsn, store, limits=Limits(calls=4, strangers=2)) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        health, request = health_pb2_grpc.HealthStub(channel), health_pb2.HealthCheckRequest()
        watching = [health.Watch(request, timeout=DEADLINE) for _ in range(2)]
        for stream in watching:
            await stream.read()
        refusal = await refused(health.Check(request, timeout=DEADLINE))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        assert await server.enqueue()
        watching[0].cancel()
        assert await eventually(lambda: _is_healthy(health))


async def _is_healthy(health: Any) -> bool:
    try:
        await health.Check(health_pb2.HealthCheckRequest(), timeout=DEADLINE)
    except grpc.aio.AioRpcError:
        return False
    return True


async def _answers(server: Calling, name: str) -> bool:
    try:
        return (await server.get(name)).name == name
    except grpc.aio.AioRpcError:
        return False


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Get never answers; the event says that its handler was ended."""
    ended = asyncio.Event()

    async def get(self: Any, request: Any, context: Any) -> task_pb2.Task:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return task_pb2.Task()

    monkeypatch.setattr(TasksServicer, "Get", get)
    return ended


async def test_a_call_without_a_deadline_gets_one(dsn: str, store: Any, slow: asyncio.Event) -> None:
    async with calling(dsn, store, limits=Limits(deadline=0.2)) as server:
        started = time.monotonic()
        refusal = await refused(server.tasks.Get(tasks.GetTaskRequest(name="tasks/1")))
        assert 0.15 < time.monotonic() - started < 5
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "CALL_TIMED_OUT")
        assert slow.is_set()


async def test_a_callers_own_deadline_counts_instead(dsn: str, store: Any, slow: asyncio.Event) -> None:
    async with calling(dsn, store, limits=Limits(deadline=0.2)) as server:
        refusal = await refused(server.tasks.Get(tasks.GetTaskRequest(name="tasks/1"), timeout=0.6))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, ""), "told by the client itself"
        await asyncio.wait_for(slow.wait(), 5)


async def test_a_stream_without_a_deadline_may_last(dsn: str, store: Any) -> None:
    async with calling(dsn, store, limits=Limits(deadline=0.1)) as server:
        name = await server.enqueue("Wait")
        await server.at(name, State.STATE_RUNNING)
        stream = server.tasks.Watch(tasks.WatchRequest(name=name))
        await stream.read()
        await asyncio.sleep(0.4)
        server.wait.gate.set()
        assert [event async for event in stream][-1].state.state == State.STATE_COMPLETED
