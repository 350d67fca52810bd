"""What is measured, one function each; each returns rows of (measure, value, unit, note)."""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, Self

import grpc
import psycopg
import uvloop
from windlass.store.facts import NewTask
from windlass.store.postgres import open_store
from windlass_proto.v1 import task_pb2, tasks_service_pb2, tasks_service_pb2_grpc

from bench.node import TOKEN

PAD = "y" * 150
PAUSED = ", pool paused"
AUTHORIZATION = (("authorization", f"Bearer {TOKEN}"),)


class Row(NamedTuple):
    measure: str
    value: float
    unit: str
    note: str = ""


def drain(dsn: str, tasks: int = 50_000) -> list[Row]:
    """Tasks that wait already; first handler call to last result recorded, one node process."""
    before = _count(dsn, "select count(*) from windlass.outcome where state = 4") if _is_migrated(dsn) else 0
    seed(dsn, tasks)
    settle(dsn)
    answer = subprocess.run(
        node_command(dsn, "drain", str(tasks)), check=True, stdout=subprocess.PIPE, text=True
    ).stdout
    seconds, calls = (json.loads(answer)[key] for key in ("seconds", "calls"))
    recorded = _count(dsn, "select count(*) from windlass.outcome where state = 4") - before
    assert calls == recorded == tasks, f"{calls} executions and {recorded} results for {tasks} tasks"
    return [Row(f"drain of {tasks} no-op tasks, with history", tasks / seconds, "tasks/s", "one node process")]


def enqueue_single(dsn: str, seconds: float = 4.0) -> list[Row]:
    """Enqueue over gRPC with a request id: the node running what it is given meanwhile, or its pool paused."""
    rows = []
    for in_flight, paused in ((1, False), (64, False), (64, True)):
        with Serving(dsn, paused=paused) as server:
            count, delays = uvloop.run(_enqueue_for(server.address, seconds, in_flight))
        p50, p99 = percentiles(delays)
        what = f"enqueue over gRPC, {in_flight} in flight{PAUSED if paused else ''}"
        rows.append(Row(what, count / seconds, "tasks/s", f"p50 {p50} ms, p99 {p99} ms"))
    return rows


def enqueue_batch(dsn: str, batches: int = 60) -> list[Row]:
    """Batches of 500 over gRPC, two in flight: the node running what it is given meanwhile, or its pool paused."""
    rows = []
    for paused in (False, True):
        with Serving(dsn, paused=paused) as server:
            seconds = uvloop.run(_enqueue_batches(server.address, batches))
        what = f"batch enqueue over gRPC, 500 a call, 2 in flight{PAUSED if paused else ''}"
        rows.append(Row(what, batches * 500 / seconds, "tasks/s", "with request ids"))
    return rows


def enqueue_stream(dsn: str, batches: int = 60) -> list[Row]:
    """Messages of 500 on one EnqueueStream, sent as fast as they are taken."""
    with Serving(dsn) as server:
        seconds = uvloop.run(_enqueue_stream(server.address, batches))
    return [Row("one EnqueueStream, 500 a message", batches * 500 / seconds, "tasks/s", "with request ids")]


def pickup(dsn: str, samples: int = 300, *, through_store: bool = False) -> list[Row]:
    """From the call of enqueue in another process to the handler's start, on an idle node."""
    with Serving(dsn) as server:
        sending = _store_one_by_one(dsn, samples) if through_store else _send_one_by_one(server.address, samples)
        uvloop.run(sending)
        delays = server.finish(samples)["delays"]
    assert len(delays) == samples
    p50, p99 = percentiles(delays)
    how = "idle node, enqueued " + ("through the store" if through_store else "over gRPC")
    return [Row(f"pickup latency p50, {how}", p50, "ms"), Row(f"pickup latency p99, {how}", p99, "ms")]


MEASURES: dict[str, Callable[[str], list[Row]]] = {
    "drain": drain,
    "enqueue": enqueue_single,
    "batch": enqueue_batch,
    "stream": enqueue_stream,
    "pickup": pickup,
}


class Serving:
    """A node process with its gRPC server; `paused`: it runs nothing of what it is given."""

    def __init__(self, dsn: str, *, paused: bool = False) -> None:
        command = node_command(dsn, "serve-paused" if paused else "serve")
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()
        self.pid = self._process.pid
        self._answer: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self, expected: int = 0) -> dict[str, Any]:
        if self._answer is None:
            self._answer = json.loads(self._process.communicate(str(expected))[0])
        return self._answer


def node_command(dsn: str, *arguments: str) -> list[str]:
    """A node process of its own."""
    return [sys.executable, "-m", "bench.node", dsn, *arguments]


def seed(dsn: str, tasks: int) -> None:
    """So many no-op tasks that are due."""
    asyncio.run(_seed(dsn, tasks))


def settle(dsn: str) -> None:
    """No measure begins with another one's debts."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")
        connection.execute("checkpoint")


async def _seed(dsn: str, tasks: int) -> None:
    store = await open_store(dsn)
    payload = json.dumps({"i": 1, "pad": PAD})
    task = NewTask("Noop", "hello", 5, "default", "bench", 2, "bench", "{}", payload)
    for start in range(0, tasks, 1_000):
        await store.queue.enqueue([task] * min(1_000, tasks - start))
    await store.close()


def _request(sent: float = 0.0) -> tasks_service_pb2.EnqueueRequest:
    payload = task_pb2.Payload(data=json.dumps({"i": 1, "pad": PAD, "sent": sent}).encode())
    task = tasks_service_pb2.NewTask(kind="Noop", title="hello", payload=payload)
    return tasks_service_pb2.EnqueueRequest(task=task, request_id=str(uuid.uuid4()))


async def _with_stub(address: str, work: Callable[[Any], Awaitable[Any]]) -> Any:
    async with grpc.aio.insecure_channel(address) as channel:
        return await work(tasks_service_pb2_grpc.TasksStub(channel))


async def _enqueue_for(address: str, seconds: float, in_flight: int) -> tuple[int, list[float]]:
    delays: list[float] = []

    async def work(stub: Any) -> None:
        end = time.perf_counter() + seconds
        await asyncio.gather(*(_enqueue_until(stub, end, delays) for _ in range(in_flight)))

    await _with_stub(address, work)
    return len(delays), delays


async def _enqueue_until(stub: Any, end: float, delays: list[float]) -> None:
    while (began := time.perf_counter()) < end:
        await stub.Enqueue(_request(), metadata=AUTHORIZATION)
        delays.append(time.perf_counter() - began)


async def _enqueue_batches(address: str, batches: int) -> float:
    ready = [tasks_service_pb2.BatchEnqueueRequest(requests=[_request() for _ in range(500)]) for _ in range(batches)]

    async def send(stub: Any) -> None:
        while ready:
            await stub.BatchEnqueue(ready.pop(), metadata=AUTHORIZATION)

    async def work(stub: Any) -> float:
        began = time.perf_counter()
        await asyncio.gather(send(stub), send(stub))
        return time.perf_counter() - began

    return float(await _with_stub(address, work))


async def _enqueue_stream(address: str, batches: int) -> float:
    ready = [tasks_service_pb2.EnqueueStreamRequest(requests=[_request() for _ in range(500)]) for _ in range(batches)]

    async def work(stub: Any) -> float:
        began = time.perf_counter()
        answers = [len(a.responses) async for a in stub.EnqueueStream(iter(ready), metadata=AUTHORIZATION)]
        assert answers == [500] * batches
        return time.perf_counter() - began

    return float(await _with_stub(address, work))


async def _send_one_by_one(address: str, samples: int) -> None:
    chance = random.Random(1)

    async def work(stub: Any) -> None:
        await asyncio.sleep(1.5)
        for _ in range(samples):
            await asyncio.sleep(chance.uniform(0.01, 0.05))
            await stub.Enqueue(_request(sent=time.time()), metadata=AUTHORIZATION)

    await _with_stub(address, work)


async def _store_one_by_one(dsn: str, samples: int) -> None:
    chance = random.Random(1)
    store = await open_store(dsn, connections=2)
    await asyncio.sleep(1.5)
    for _ in range(samples):
        await asyncio.sleep(chance.uniform(0.01, 0.05))
        payload = json.dumps({"i": 1, "pad": PAD, "sent": time.time()})
        await store.queue.enqueue_each([NewTask("Noop", "hello", 5, "default", "bench", 2, "bench", "{}", payload)])
    await store.close()


def _is_migrated(dsn: str) -> bool:
    return bool(_count(dsn, "select count(*) from pg_namespace where nspname = 'windlass'"))


def percentiles(delays: list[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    cuts = statistics.quantiles((delay * 1000 for delay in delays), n=100)
    return round(cuts[49], 2), round(cuts[98], 2)


def _count(dsn: str, query: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return int(row[0])
