"""The database gone in mid-flight, and what nobody foresaw: the right word, no internals, and nothing lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import psycopg
import pytest
import structlog
from psycopg import sql
from windlass_proto.v1 import history_service_pb2 as hist
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, new, refused
from tests.waiting import eventually

REQUEST_DEADLINE = 30.0


@contextmanager
def database_gone(postgres: str, dsn: str) -> Iterator[None]:
    """No connection to the database lives, and none can be made."""
    name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
    database = sql.Identifier(str(name))
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(sql.SQL("alter database {} allow_connections false").format(database))
        try:
            admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])
            yield
        finally:
            admin.execute(sql.SQL("alter database {} allow_connections true").format(database))


async def test_a_database_that_goes_away_is_said_survived_and_loses_nothing(
    server: Calling, postgres: str, dsn: str
) -> None:
    running = await server.enqueue("Wait")
    await server.at(running, State.STATE_RUNNING)
    watching = asyncio.create_task(server.watched(running))
    await eventually(lambda: server.kernel.watches.hungry > 0)
    request = pb.EnqueueRequest(task=new(), request_id=str(uuid.uuid4()))
    server.kernel._store._connections._pool.timeout = 1.0  # type: ignore[attr-defined]
    with database_gone(postgres, dsn):
        calls: list[Any] = [
            server.tasks.Enqueue(request, timeout=REQUEST_DEADLINE),
            server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(requests=[request]), timeout=REQUEST_DEADLINE),
            server.tasks.Get(pb.GetTaskRequest(name=running), timeout=REQUEST_DEADLINE),
            server.tasks.List(pb.ListTasksRequest(), timeout=REQUEST_DEADLINE),
            server.tasks.Interrupt(pb.InterruptRequest(name=running), timeout=REQUEST_DEADLINE),
            server.tasks.Watch(pb.WatchRequest(name=running), timeout=REQUEST_DEADLINE).read(),
            server.history.Get(hist.GetCardRequest(name="cards/1"), timeout=REQUEST_DEADLINE),
            server.history.List(hist.ListCardsRequest(), timeout=REQUEST_DEADLINE),
            server.history.ListSteps(hist.ListStepsRequest(parent="cards/1"), timeout=REQUEST_DEADLINE),
        ]
        for refusal in await asyncio.gather(*map(refused, calls)):
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")
            assert "password" not in refusal.message
            assert "\n" not in refusal.message
        server.wait.tape.put_nowait(7)
    first = await eventually(lambda: enqueued(server, request), within=15)
    # Writes have connections of their own; the readers' pool dials again in its own time.
    await eventually(lambda: readable(server, first), within=15)
    assert (await server.ended(first)).state == State.STATE_COMPLETED
    server.wait.gate.set()
    assert (await server.ended(running)).state == State.STATE_COMPLETED
    events = await asyncio.wait_for(watching, DEADLINE)
    assert [event.step.text for event in events if event.HasField("step")] == ["word 7"]
    assert events[-1].state.state == State.STATE_COMPLETED
    assert events == await server.watched(running)
    assert (server.count("task"), server.count("attempt"), server.count("running")) == (2, 0, 0)


async def enqueued(server: Calling, request: pb.EnqueueRequest) -> str:
    try:
        return (await server.tasks.Enqueue(request, timeout=REQUEST_DEADLINE)).task
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return ""


async def readable(server: Calling, name: str) -> bool:
    try:
        return bool(await server.tasks.Get(pb.GetTaskRequest(name=name), timeout=REQUEST_DEADLINE))
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False


async def test_connections_cut_under_load_lose_no_acknowledged_task(server: Calling, postgres: str, dsn: str) -> None:
    name = str(psycopg.conninfo.conninfo_to_dict(dsn)["dbname"])
    requests = [pb.EnqueueRequest(task=new(), request_id=str(uuid.uuid4())) for _ in range(300)]

    async def insist(request: pb.EnqueueRequest) -> str:
        found = await eventually(lambda: enqueued(server, request), within=20)
        assert found
        return found

    async def cut() -> None:
        for _ in range(5):
            await asyncio.to_thread(terminate, postgres, name)

    async def submit(part: list[pb.EnqueueRequest]) -> list[str]:
        return [await insist(request) for request in part]

    answers, _ = await asyncio.gather(asyncio.gather(*(submit(requests[n::10]) for n in range(10))), cut())
    tasks = [task for part in answers for task in part]
    assert len(set(tasks)) == 300 == server.count("task")
    await eventually(lambda: server.count("outcome") == 300, within=20)


def terminate(postgres: str, name: str) -> None:
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [name])


class BrokenLibrary:
    """A library with a bug."""

    async def task(self, *asked: object) -> None:
        raise RuntimeError("secret internals at 0x7f")

    cards = card = active = events = task


@pytest.mark.parametrize("rpc", ["Get", "Watch"])
async def test_what_nobody_foresaw_is_an_error_id_and_no_internals(server: Calling, rpc: str) -> None:
    whole, server.kernel.library = server.kernel.library, BrokenLibrary()  # type: ignore[assignment]
    with structlog.testing.capture_logs() as logs:
        call = server.get("tasks/1") if rpc == "Get" else server.watched("tasks/1")
        refusal = await refused(call)
    server.kernel.library = whole
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in refusal.message
    assert "RuntimeError" not in refusal.message
    [logged] = [line for line in logs if line["event"] == "unforeseen error"]
    assert refusal.facts == {"error_id": logged["error_id"]}
    assert logged["error_id"] in refusal.message
    assert "secret" in str(logged["exc_info"])
    assert (await refused(server.get("tasks/1"))).code is grpc.StatusCode.NOT_FOUND, "the server does not go on"


class BrokenQueue:
    """A queue with a bug."""

    async def enqueue(self, tasks: object) -> None:
        raise RuntimeError("secret internals at 0x7f")

    enqueue_each = enqueue


@pytest.mark.parametrize("rpc", ["Enqueue", "BatchEnqueue"])
async def test_an_enqueue_that_stumbles_tells_no_internals(server: Calling, rpc: str) -> None:
    server.kernel.enqueuer._queue = BrokenQueue()  # type: ignore[assignment]
    asked = pb.EnqueueRequest(task=new())
    with structlog.testing.capture_logs() as logs:
        if rpc == "Enqueue":
            refusal = await refused(server.tasks.Enqueue(asked, timeout=DEADLINE))
        else:
            batch = pb.BatchEnqueueRequest(requests=[asked])
            refusal = await refused(server.tasks.BatchEnqueue(batch, timeout=DEADLINE))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert "secret" not in refusal.message
    assert "RuntimeError" not in refusal.message
    assert refusal.facts["error_id"] in refusal.message
    assert "secret" in str([line["exc_info"] for line in logs if line["event"] == "unforeseen error"])
