"""Just enough HTTP/2 to be a client that breaks its rules: frames over a socket, headers without compression."""

from __future__ import annotations

import asyncio
import struct
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RESET, SETTINGS, PING, GOAWAY = 1, 3, 4, 6, 7
ACK, END_HEADERS = 1, 4
MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 3, 6
REFUSED_STREAM, ENHANCE_YOUR_CALM = 7, 11


class Frame(NamedTuple):
    type: int
    flags: int
    stream: int
    data: bytes


class Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str) -> Connection:
        host, _, port = address.rpartition(":")
        made = cls(*await asyncio.open_connection(host, int(port)))
        made._writer.write(PREFACE)
        await made.send(SETTINGS)
        return made

    async def send(self, type_: int, flags: int = 0, stream: int = 0, data: bytes = b"") -> None:
        head = struct.pack("!I", len(data))[1:] + bytes([type_, flags]) + struct.pack("!I", stream)
        self._writer.write(head + data)
        await self._writer.drain()

    async def read(self) -> Frame:
        head = await self._reader.readexactly(9)
        length = int.from_bytes(head[:3], "big")
        return Frame(head[3], head[4], int.from_bytes(head[5:], "big"), await self._reader.readexactly(length))

    async def until(self, *types: int, within: float = 10.0) -> Frame:
        """The next frame of one of these types; an acknowledgement of settings is none."""
        async with asyncio.timeout(within):
            while True:
                frame = await self.read()
                if frame.type in types and not (frame.type == SETTINGS and frame.flags & ACK):
                    return frame

    async def close(self) -> None:
        self._writer.close()


def settings(frame: Frame) -> dict[int, int]:
    return dict(struct.iter_unpack("!HI", frame.data))


def headers(path: str, **more: str) -> bytes:
    """A gRPC call, each field a literal that is not indexed."""
    fields = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "t", "te": "trailers"}
    fields |= {"content-type": "application/grpc"} | more
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    data = text.encode()
    assert len(data) < 127
    return bytes([len(data)]) + data
