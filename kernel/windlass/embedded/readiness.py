"""Asks a server over its socket whether it serves: a real connection, and the first word of its protocol."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

ANSWER_WITHIN = 1.0  # s


async def answers(address: Path, hello: bytes, welcome: bytes) -> bool:
    """Whether the server behind the unix socket answers `hello` with something that begins with `welcome`."""
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(ANSWER_WITHIN):
            reader, writer = await asyncio.open_unix_connection(address)
            try:
                writer.write(hello)
                return await reader.readexactly(len(welcome)) == welcome
            finally:
                writer.close()
    return False
