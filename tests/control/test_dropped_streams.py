"""Streams whose client is gone: killed, cut off, or deaf.  Each frees its handler, and nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from windlass.control.server import Limits
from windlass.control.status import open_streams
from windlass.core.sequence import sequence
from windlass.store.facts import Chunk, Said
from windlass_proto.v1 import tasks_service_pb2 as pb
from windlass_proto.v1 import tasks_service_pb2_grpc

from tests.contract.facts import new_task
from tests.control.calling import BEARER, TOKEN, Calling, calling, refused
from tests.waiting import eventually

SOON = 20.0
CLIENT = """
import asyncio, sys, grpc
from windlass_proto.v1 import tasks_service_pb2 as pb, tasks_service_pb2_grpc

async def main(address, token, name, count):
    async with grpc.aio.insecure_channel(address) as channel:
        stub = tasks_service_pb2_grpc.TasksStub(channel)
        metadata = (("authorization", f"Bearer {token}"),)
        watching = [stub.Watch(pb.WatchRequest(name=name), metadata=metadata) for _ in range(int(count))]
        feeding = [stub.EnqueueStream(metadata=metadata) for _ in range(int(count))]
        for call in watching:
            await call.read()
        print("reading", flush=True)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


def handlers() -> int:
    return open_streams.total()


class Link:
    """A port that leads to a server until it is frozen: then nothing goes through, and nobody is told."""

    def __init__(self, address: str) -> None:
        self._upstream = address.rpartition(":")[2]
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._pumps: set[asyncio.Task[None]] = set()
        self.address = ""

    def freeze(self) -> None:
        self._flowing.clear()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Link]:
        server = await asyncio.start_server(self._join, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for pump in self._pumps:
                pump.cancel()
            await asyncio.gather(*self._pumps, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        for ends in ((reader, back), (there, writer)):
            self._pumps.add(asyncio.create_task(self._pump(*ends)))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65_536):
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()


def watch(channel: grpc.aio.Channel, name: str) -> Any:
    return tasks_service_pb2_grpc.TasksStub(channel).Watch(pb.WatchRequest(name=name), metadata=BEARER)


async def test_a_client_that_is_killed_frees_every_handler(server: Calling) -> None:
    before, name = handlers(), await server.enqueue("Wait")
    arguments = (sys.executable, "-c", CLIENT, server.address, TOKEN, name, "50")
    client = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.PIPE)
    assert client.stdout is not None
    await asyncio.wait_for(client.stdout.readline(), SOON)
    await eventually(lambda: handlers() == before + 100, SOON)
    await eventually(lambda: server.kernel.watches.hungry == 50)
    client.send_signal(signal.SIGKILL)
    await client.wait()
    await eventually(lambda: handlers() == before, SOON)
    assert not server.kernel.watches.hungry
    assert not server.kernel.intake._streams


async def test_a_link_that_went_silent_frees_its_handlers_however_long_nothing_was_said(
    dsn: str, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms")
    options = [(name, value // 20 if name in times else value) for name, value in Limits().options]
    monkeypatch.setattr(Limits, "options", options)
    async with calling(dsn, store) as server, Link(server.address).open() as link:
        before, name = handlers(), await server.enqueue("Wait")
        async with grpc.aio.insecure_channel(link.address) as channel:
            calls = [watch(channel, name) for _ in range(5)]
            for call in calls:
                await call.read()
            await eventually(lambda: server.kernel.watches.hungry == 5)
            # Several pings: some versions of gRPC send only two while no data flows.
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), 2.5)
            assert handlers() == before + 5
            link.freeze()
            # A twentieth of the times that are set, and as much again for this machine.
            await eventually(lambda: handlers() == before, 2 * SOON / 20 + 1)
            assert not server.kernel.watches.hungry


def test_a_silent_peer_is_found_within_twenty_seconds() -> None:
    options: dict[str, Any] = dict(Limits().options)
    assert options["grpc.keepalive_time_ms"] + options["grpc.http2.ping_timeout_ms"] <= 15_000


async def test_a_client_that_reads_nothing_holds_one_portion_and_frees_it_when_it_goes(server: Calling) -> None:
    before = handlers()
    store = server.kernel._store
    [receipt] = await store.queue.enqueue([new_task(kind="Far", pool="default")])
    node = server.kernel.node._epoch
    assert node is not None
    [claimed] = await store.queue.claim(node, "default", ["Far"], 1)
    chunks = [Chunk(sequence(1, n), 0.0, 1, b"x" * 65_536) for n in range(1, 201)]
    for n in range(0, 200, 20):
        await store.queue.say(node, [Said(claimed.id, 1, 0.0, chunks=tuple(chunks[n : n + 20]))])
    taken: list[int] = []
    events = store.library.events

    async def counted(*arguments: Any) -> Any:
        found = await events(*arguments)
        taken.append(sum(len(event.data or b"") for event in found.get(receipt.task, ())))
        return found

    store.library.events = counted  # type: ignore[method-assign,assignment]
    call = watch(server.channel, f"tasks/{receipt.task}")
    await call.read()
    await eventually(lambda: handlers() == before + 1)
    seen = -1
    while seen != sum(taken):
        seen = sum(taken)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.3)
    assert seen < 150 * 65_536, f"{seen} bytes were taken although nobody reads them"
    call.cancel()
    await eventually(lambda: handlers() == before)


async def test_who_watches_a_server_that_drains_is_told_to_go_on_elsewhere(server: Calling) -> None:
    name = await server.enqueue("Wait")
    call = watch(server.channel, name)
    await call.read()
    await eventually(lambda: server.kernel.watches.hungry == 1)
    draining = asyncio.create_task(server.kernel.drain())
    refusal = await refused(_rest(call))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN")
    await draining


async def _rest(call: Any) -> None:
    while await call.read() is not grpc.aio.EOF:
        pass
