"""How soon people see what happens: the first event, a word said on another node, and what a thousand watchers cost."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import grpc
import psutil
from windlass_proto.v1 import task_pb2, tasks_service_pb2, tasks_service_pb2_grpc

from bench.measures import AUTHORIZATION, Row, Serving, percentiles

WATCHERS = 1_000
WORDS = 100
PAUSE = 0.13
"""Longer than the recorder gathers words for, so that each is written at once."""
LOOKED_AT = 5.0


def watch(dsn: str) -> list[Row]:
    """Two nodes; what is watched through one of them may run on the other."""
    with Serving(dsn) as one, Serving(dsn) as other:
        return asyncio.run(_watch([one.address, other.address]))


def watchers(dsn: str) -> list[Row]:
    """A thousand tasks that wait, each watched."""
    with Serving(dsn) as server:
        return asyncio.run(_watch_many(server.address, psutil.Process(server.pid)))


MEASURES: dict[str, Callable[[str], list[Row]]] = {"watch": watch, "watchers": watchers}


async def _watch(addresses: list[str]) -> list[Row]:
    async with grpc.aio.insecure_channel(addresses[0]) as here, grpc.aio.insecure_channel(addresses[1]) as there:
        stubs = [tasks_service_pb2_grpc.TasksStub(channel) for channel in (here, there)]
        waiting = await _enqueue(stubs[0], "Noop", {}, delay=3_600)
        first = [await _first_event(stubs[n % 2], waiting) for n in range(200)]
        speaking = await _enqueue(stubs[0], "Speak", {"words": WORDS, "pause": PAUSE})
        heard = await asyncio.gather(*(_delays(stub, speaking) for stub in stubs))
    # It runs on one of them; the other one's watcher hears later.
    far = max(heard, key=lambda delays: percentiles(delays)[0])
    return [
        _row("watch: first event after the call", first),
        _row("watch: a word said on another node", far),
    ]


async def _watch_many(address: str, node: psutil.Process) -> list[Row]:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = tasks_service_pb2_grpc.TasksStub(channel)
        tasks = [await _enqueue(stub, "Noop", {}, delay=3_600) for _ in range(WATCHERS)]
        began = time.perf_counter()
        calls = [stub.Watch(tasks_service_pb2.WatchRequest(name=name), metadata=AUTHORIZATION) for name in tasks]
        await asyncio.gather(*(call.read() for call in calls))
        seconds = time.perf_counter() - began
        await asyncio.sleep(1)
        busy = sum(node.cpu_times()[:2])
        await asyncio.sleep(LOOKED_AT)
        busy = sum(node.cpu_times()[:2]) - busy
        for call in calls:
            call.cancel()
    return [
        Row(f"{WATCHERS} watchers: until each has its first event", seconds, "s"),
        Row(f"{WATCHERS} watchers of tasks that wait: the node", 100 * busy / LOOKED_AT, "% core"),
    ]


async def _first_event(stub: Any, name: str) -> float:
    began = time.perf_counter()
    call = stub.Watch(tasks_service_pb2.WatchRequest(name=name), metadata=AUTHORIZATION)
    await call.read()
    seconds = time.perf_counter() - began
    call.cancel()
    return seconds


async def _delays(stub: Any, name: str) -> list[float]:
    call = stub.Watch(tasks_service_pb2.WatchRequest(name=name), metadata=AUTHORIZATION)
    return [time.time() - float(event.step.text) async for event in call if event.HasField("step")]


async def _enqueue(stub: Any, kind: str, payload: Any, delay: float = 0.0) -> str:
    task = tasks_service_pb2.NewTask(kind=kind, payload=task_pb2.Payload(data=json.dumps(payload).encode()))
    if delay:
        task.due_time.FromSeconds(int(time.time() + delay))
    return str((await stub.Enqueue(tasks_service_pb2.EnqueueRequest(task=task), metadata=AUTHORIZATION)).task)


def _row(measure: str, delays: list[float]) -> Row:
    p50, p99 = percentiles(delays)
    return Row(measure, p99, "ms p99", f"p50 {p50} ms")
