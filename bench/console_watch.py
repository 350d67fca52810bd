"""What a hundred open consoles cost: one process of the console, whose browsers each load the overview when told to."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import grpc
import httpx
import psutil
from windlass_proto.v1 import tasks_service_pb2, tasks_service_pb2_grpc

from bench.measures import AUTHORIZATION, Row, Serving
from bench.node import TOKEN

CONSOLES = 100
PAUSE = 0.3
"""Seconds between two tasks that come and go: the queue is never still."""
LOOKED_AT = 15.0
WINDLASS = str(Path(sys.executable).with_name("windlass"))


def consoles(dsn: str) -> list[Row]:
    """A hundred browsers on the overview while the queue is busy; and how long one panel takes."""
    with Serving(dsn) as server:
        environ = {**os.environ, "WINDLASS_ADDRESS": server.address, "WINDLASS_TOKEN": TOKEN}
        command = [WINDLASS, "console", "--listen", "127.0.0.1:0"]
        console = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)
        try:
            assert console.stdout is not None
            url = console.stdout.readline().split("ready on ")[1].strip().rstrip("/")
            return asyncio.run(_look(url, server.address, psutil.Process(console.pid)))
        finally:
            console.terminate()
            console.wait()


MEASURES: dict[str, Callable[[str], list[Row]]] = {"consoles": consoles}


async def _look(url: str, address: str, process: psutil.Process) -> list[Row]:
    origin = {"origin": url}
    limits = httpx.Limits(max_connections=3 * CONSOLES, max_keepalive_connections=3 * CONSOLES)
    async with (
        httpx.AsyncClient(base_url=url, limits=limits, timeout=None) as browser,  # noqa: S113 - streams stay open
        grpc.aio.insecure_channel(address) as channel,
    ):
        await browser.post("/sign-in", data={"token": TOKEN, "to": ""}, headers=origin)
        loads: list[float] = []
        work = [asyncio.create_task(_browse(browser, loads)) for _ in range(CONSOLES)]
        work.append(asyncio.create_task(_change(channel)))
        await asyncio.sleep(3)
        loads.clear()
        busy = sum(process.cpu_times()[:2])
        await asyncio.sleep(LOOKED_AT)
        busy = sum(process.cpu_times()[:2]) - busy
        for task in work:
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*work)
    p95 = sorted(loads)[int(len(loads) * 0.95)] if loads else 0.0
    note = f"{len(loads) / LOOKED_AT:.0f} panels/s"
    return [
        Row(f"{CONSOLES} consoles on a busy queue: the console", 100 * busy / LOOKED_AT, "% core", note),
        Row(f"{CONSOLES} consoles on a busy queue: a panel", 1000 * p95, "ms p95"),
    ]


async def _browse(browser: httpx.AsyncClient, loads: list[float]) -> None:
    """As app.js does: the stream, and the panel when it says so."""
    async with browser.stream("GET", "/live") as stream:
        async for line in stream.aiter_lines():
            if line.startswith("data: [") and "overview" in json.loads(line[6:]):
                began = time.perf_counter()
                (await browser.get("/overview/panel", headers={"hx-request": "true"})).raise_for_status()
                loads.append(time.perf_counter() - began)


async def _change(channel: grpc.aio.Channel) -> None:
    stub = tasks_service_pb2_grpc.TasksStub(channel)
    while True:
        request = tasks_service_pb2.EnqueueRequest(task=tasks_service_pb2.NewTask(kind="Noop"))
        await stub.Enqueue(request, metadata=AUTHORIZATION)
        await asyncio.sleep(PAUSE)
