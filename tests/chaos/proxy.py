"""A TCP proxy in front of PostgreSQL that knows enough of its protocol to cut a connection at the worst moment.

cut     the next write is forwarded whole; then the connection breaks, before or after the server's answer came
freeze  nothing is forwarded any more, and nobody is told: a half-open link
delay   seconds that each piece waits on its way
"""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import cache

from windlass.store.postgres import faulty
from windlass.store.postgres.statements import sql

PLEA = (80877103, 80877104)  # for TLS and for GSS; the start-up follows
READY = (b"Z\0\0\0\5I", b"Z\0\0\0\5T", b"Z\0\0\0\5E")  # ReadyForQuery: the answer is complete
PIECE = 1 << 16
Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@cache
def _first_lines() -> dict[bytes, str]:
    return {sql(name).splitlines()[0].encode(): verb for name, verb in faulty.STATEMENTS.items()}


class Proxy:
    """One port of the loopback in front of a server (a port, or the path of a socket).

    `cuts` counts the cut writes by what they did.
    """

    def __init__(self, upstream: int | str) -> None:
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._links: set[Link] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._orders: list[tuple[frozenset[str], bool]] = []
        self.delay = 0.0
        self.cuts: Counter[str] = Counter()
        self.port = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.break_off()

    def cut(self, *verbs: str, answered: bool = True) -> None:
        """Cut the connection of the next of these writes; `answered`: only once the server has surely committed."""
        self._orders.append((frozenset(verbs), answered))

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def heal(self) -> None:
        self.delay = 0.0
        self._orders.clear()
        self.thaw()

    def sentence(self, verb: str) -> bool | None:
        """Whether to cut this write, and how; each order is for one."""
        for order in self._orders:
            if verb in order[0]:
                self._orders.remove(order)
                self.cuts[verb] += 1
                return order[1]
        return None

    async def passes(self) -> None:
        """Returns when a piece may go on."""
        if self.delay:
            await asyncio.sleep(self.delay)
        await self._flowing.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        try:
            ours = await self._dial()
        except OSError:
            writer.close()
            return
        link = Link(self, (reader, writer), ours)
        self._links.add(link)
        try:
            await link.run()
        finally:
            self._links.discard(link)

    async def _dial(self) -> Ends:
        if isinstance(self._upstream, str):
            return await asyncio.open_unix_connection(self._upstream)
        return await asyncio.open_connection("127.0.0.1", self._upstream)


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: Ends, server: Ends) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._asked = Asked()
        self._doomed = False

    async def run(self) -> None:
        pumps = [asyncio.create_task(self._forth()), asyncio.create_task(self._back())]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        self.break_off()
        await asyncio.gather(*pumps, return_exceptions=True)

    def break_off(self) -> None:
        for _, writer in (self._client, self._server):
            writer.close()

    async def _forth(self) -> None:
        with suppress(ConnectionError):
            while piece := await self._client[0].read(PIECE):
                await self._proxy.passes()
                for verb in self._asked.feed(piece):
                    how = self._proxy.sentence(verb)
                    if how is not None:
                        self._doomed = True
                    if how is False:
                        self._server[1].write(piece)
                        await self._server[1].drain()
                        return
                self._server[1].write(piece)
                await self._server[1].drain()

    async def _back(self) -> None:
        with suppress(ConnectionError):
            while piece := await self._server[0].read(PIECE):
                await self._proxy.passes()
                if self._doomed:
                    if piece.endswith(READY):
                        return
                    continue
                self._client[1].write(piece)
                await self._client[1].drain()


class Asked:
    """Reads what a client sends: which writes are complete with their Sync."""

    def __init__(self) -> None:
        self._buffer = b""
        self._started = False
        self._prepared: dict[bytes, str] = {}
        self._bound = ""

    def feed(self, piece: bytes) -> list[str]:
        """The verbs of the writes whose last byte is in this piece."""
        self._buffer += piece
        return [verb for kind, body in self._messages() if (verb := self._read(kind, body))]

    def _messages(self) -> Iterator[tuple[bytes, bytes]]:
        while len(self._buffer) >= (head := 5 if self._started else 4):
            length = struct.unpack("!i", self._buffer[head - 4 : head])[0] + head - 4
            if len(self._buffer) < length:
                return
            message, self._buffer = self._buffer[:length], self._buffer[length:]
            if self._started:
                yield message[:1], message[5:]
            else:
                self._started = struct.unpack("!i", message[4:8])[0] not in PLEA

    def _read(self, kind: bytes, body: bytes) -> str:
        if kind == b"P":
            name, text = body.split(b"\0", 2)[:2]
            self._prepared[name] = "commit" if text == b"COMMIT" else _first_lines().get(text.split(b"\n", 1)[0], "")
        if kind == b"B":
            self._bound = self._prepared.get(body.split(b"\0", 2)[1], "")
        if kind == b"Q":
            return "commit" if body == b"COMMIT\0" else ""
        if kind == b"S":
            verb, self._bound = self._bound, ""
            return verb
        return ""
