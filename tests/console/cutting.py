"""Something between a browser and a console that can be cut, as a network can."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Cutter:
    """`asked` is all that came from browsers."""

    url = ""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._open: dict[asyncio.StreamWriter, bytes] = {}
        self._silent: set[asyncio.StreamWriter] = set()
        self._is_cut = False
        self.asked = b""

    def cut(self) -> None:
        """Every connection breaks, and none is made until `mend`."""
        self._is_cut = True
        for writer in self._open:
            writer.transport.abort()

    def silence(self, words: bytes) -> None:
        """Nothing comes back any more through the connections that asked so; they stay open."""
        self._silent |= {writer for writer, asked in self._open.items() if words in asked}

    def mend(self) -> None:
        self._is_cut = False

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        behind, before = await asyncio.open_connection(*self._place)
        self._open |= {writer: b"", before: b""}
        await asyncio.gather(self._pump(reader, before, asks=writer), self._pump(behind, writer))
        for each in (writer, before):
            self._open.pop(each, None)
            self._silent.discard(each)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asks: asyncio.StreamWriter | None = None
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if asks:
                    self.asked += data
                    self._open[asks] += data
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort() if self._is_cut else writer.close()


@asynccontextmanager
async def cutter_before(url: str) -> AsyncIterator[Cutter]:
    place = urlsplit(url)
    assert place.hostname
    assert place.port
    cutter = Cutter(place.hostname, place.port)
    server = await asyncio.start_server(cutter.accept, "127.0.0.1", 0)
    cutter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield cutter
    finally:
        cutter.cut()
        server.close()
