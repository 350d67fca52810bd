"""Servers on loopback that answer as a test wants."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from windlass_checks.look import Finding
from windlass_checks.measuring import Measuring
from windlass_checks.probes import AnyProbe
from windlass_checks.settings import ChecksSettings
from windlass_checks.way import Resolve

from tests.waiting import eventually

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LOOPBACK = ["127.0.0.1/32"]


class Asked:
    """As much of a context as a look needs."""

    def __init__(self) -> None:
        self.cancelled = asyncio.Event()


async def to_loopback(host: str, port: int) -> list[str]:
    """Every name leads here."""
    return ["127.0.0.1"]


async def look(
    probe: AnyProbe, *, is_ours: bool = True, resolve: Resolve = to_loopback, ctx: Asked | None = None, **settings: Any
) -> Finding:
    """What one look finds; it must not be interrupted."""
    measuring = Measuring(ChecksSettings(**settings), resolve)
    found = await measuring.measure(ctx or Asked(), probe, is_ours=is_ours)  # type: ignore[arg-type]
    assert found is not None
    return found


def took(found: Finding) -> float:
    """Its response time in milliseconds."""
    assert found.response_ms is not None
    return found.response_ms


class Served:
    """`heads` are the requests that came, as text; `names` the hosts that TLS asked for."""

    def __init__(self) -> None:
        self.port = 0
        self.heads: list[str] = []
        self.names: list[str | None] = []
        self.connections = 0
        self.sent = bytearray()
        """What clients sent through it, when it forwards."""
        self.is_frozen = False
        """It forwards nothing more, either way."""


@asynccontextmanager
async def serving(talk: Talk, trust: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """A TCP server of one talk a connection."""
    served, talks = Served(), set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await talk(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            talks.discard(task)
            writer.transport.abort()

    if trust is not None:
        trust.sni_callback = lambda _socket, name, _context: served.names.append(name)
    server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=trust)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in [*talks]:
            task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await server.wait_closed()


@asynccontextmanager
async def http(*answers: bytes, then: Talk | None = None, trust: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Answers the first request with the first answer, and so on; the last one stays.  `then` goes on after it."""
    seen: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        seen.append(head)
        writer.write(answers[min(len(seen), len(answers)) - 1])
        await writer.drain()
        if then is not None:
            await then(reader, writer)

    async with serving(talk, trust) as served:
        served.heads = seen
        yield served


def page(status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Takes everything, says nothing."""
    while await reader.read(4096):
        pass


@asynccontextmanager
async def forwarding(path: str, trust: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """A TCP port before a Unix socket."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray | None = None) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if seen is not None:
                    seen += data
                if not served.is_frozen:
                    writer.write(data)
                    await writer.drain()
            writer.close()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(path)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pump(reader, inner_writer, served.sent))
                group.create_task(pump(inner_reader, writer))
        finally:
            inner_writer.transport.abort()

    async with serving(talk, trust) as served:
        yield served


class NameServer(asyncio.DatagramProtocol):
    """A name server over UDP.  `records` are texts by (name, type); a name that is not there is NXDOMAIN."""

    def __init__(self, records: dict[tuple[str, str], list[str]]) -> None:
        self.records = records
        self.port = 0
        self.asked = 0
        self.rcode = dns.rcode.NOERROR
        self.is_silent = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.asked += 1
        if not self.is_silent:
            self._transport.sendto(self._answer(dns.message.from_wire(data)).to_wire(), address)

    def _answer(self, query: Any) -> Any:
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        question = query.question[0]
        name, type_ = question.name.to_text(), dns.rdatatype.to_text(question.rdtype)
        answer.set_rcode(self.rcode)
        if texts := self.records.get((name, type_)):
            answer.answer.append(dns.rrset.from_text(name, 60, "IN", type_, *texts))
        elif not any(known == name for known, _ in self.records) and self.rcode == dns.rcode.NOERROR:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer


@asynccontextmanager
async def name_server(**records: list[str]) -> AsyncIterator[NameServer]:
    """`shop_example_A=["192.0.2.7"]`."""
    by_name = {}
    for key, texts in records.items():
        *labels, type_ = key.split("_")
        by_name[".".join(labels) + ".", type_] = texts
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: NameServer(by_name), ("127.0.0.1", 0))
    server.port = transport.get_extra_info("sockname")[1]
    try:
        yield server
    finally:
        transport.close()


async def interrupted(probe: AnyProbe, started: Callable[[], bool], **options: Any) -> None:
    """Interrupt a look once it has begun; it must end at once, and leave nothing running."""
    ctx = Asked()
    measuring = Measuring(ChecksSettings(**options), to_loopback)
    before = asyncio.all_tasks()
    work = asyncio.ensure_future(measuring.measure(ctx, probe, is_ours=True))  # type: ignore[arg-type]
    await eventually(started)
    ctx.cancelled.set()
    async with asyncio.timeout(3.0):
        assert await work is None
    left = {task for task in asyncio.all_tasks() - before if "measur" in repr(task) or "look" in repr(task)}
    if left:
        pytest.fail(f"it left {left}")
