"""What two hundred idle agents cost the server that they are connected to."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import grpc
import psutil
from windlass_proto.v1 import (
    access_pb2,
    access_service_pb2,
    access_service_pb2_grpc,
    agent_pb2,
    workers_pb2,
    workers_service_pb2,
    workers_service_pb2_grpc,
)

from bench.measures import AUTHORIZATION, Row, Serving

AGENTS = 200
LOOKED_AT = 20.0
# Each agent has a connection of its own, as on a host of its own.
OPTIONS = [("grpc.use_local_subchannel_pool", 1), ("grpc.keepalive_time_ms", 11_000)]


def agents(dsn: str) -> list[Row]:
    """They take tasks, and there are none: heartbeats, leases, looks for work and for interrupts."""
    with Serving(dsn) as server:
        return asyncio.run(_idle(server.address, psutil.Process(server.pid)))


MEASURES: dict[str, Callable[[str], list[Row]]] = {"agents": agents}


async def _idle(address: str, node: psutil.Process) -> list[Row]:
    await asyncio.sleep(3)
    alone = await _busy(node)
    async with AsyncExitStack() as stack:
        beats = [asyncio.create_task(await _connected(stack, address, f"bench-{n}")) for n in range(AGENTS)]
        await asyncio.sleep(12)
        busy = await _busy(node)
        ended = sum(beat.done() for beat in beats)
        for beat in beats:
            beat.cancel()
    return [
        Row("a server without agents, idle: CPU", alone, "% core"),
        Row(f"a server with {AGENTS} idle agents: CPU", busy, "% core", f"{ended} sessions were lost"),
    ]


async def _busy(process: psutil.Process) -> float:
    before = sum(process.cpu_times()[:2])
    await asyncio.sleep(LOOKED_AT)
    return 100 * (sum(process.cpu_times()[:2]) - before) / LOOKED_AT


async def _connected(stack: AsyncExitStack, address: str, id_: str) -> Any:
    """A session that is welcome; the coroutine that keeps it."""
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(address, options=OPTIONS))
    asked = access_service_pb2.CreateTokenRequest(subject=id_, role=access_pb2.ROLE_AGENT)
    made = await access_service_pb2_grpc.AccessStub(channel).CreateToken(asked, metadata=AUTHORIZATION)
    pools = [agent_pb2.AgentPool(pool=f"agent:{id_}", slots=4)]
    kinds = [workers_pb2.KindPolicy(kind="Noop", pool="default", attempts=3)]
    hello = workers_pb2.Hello(agent=id_, pools=pools, kinds=kinds, process=workers_pb2.Process(machine=id_, pid=1))
    stub: Any = workers_service_pb2_grpc.WorkersStub(channel)
    call = stub.Session(metadata=(("authorization", f"Bearer {made.secret}"),))
    await call.write(workers_service_pb2.AgentMessage(hello=hello))
    welcome = (await call.read()).welcome
    await call.write(workers_service_pb2.AgentMessage(credits=workers_pb2.Credits(pools=pools)))
    return _beat(call, welcome.renew.ToTimedelta().total_seconds())


async def _beat(call: Any, every: float) -> None:
    await asyncio.sleep(every * random.random())
    number = 0
    while True:
        number += 1
        await call.write(workers_service_pb2.AgentMessage(heartbeat=workers_pb2.Heartbeat(number=number)))
        while (await call.read()).beat.number < number:
            pass
        await asyncio.sleep(every)
