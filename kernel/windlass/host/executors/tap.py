"""What a worker's interpreter and its children write to their standard output becomes output of the task."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

from windlass.errors import AttemptSuperseded

READ_SIZE = 64 * 1024


class Tap:
    """A non-blocking pipe we own.  It is read as fast as the store takes what was read, and no faster."""

    def __init__(self, fd: int, stream: str) -> None:
        self._fd = fd
        self._stream = stream
        self._finishing = False
        self._woken = asyncio.Event()

    async def follow(self, say: Callable[[bytes, str], Awaitable[None]]) -> None:
        """Pass on what comes, until `finish`; then what is in the pipe at that moment."""
        while (data := self._read()) != b"":
            if data is None:
                if self._finishing:
                    return
                await self._readable()
                continue
            try:
                await say(data, self._stream)
            except AttemptSuperseded:
                # The worker is about to be ended; until then it shall not hang in a full pipe.
                continue

    def finish(self) -> None:
        self._finishing = True
        self._woken.set()

    def forget(self) -> None:
        """Begin anew: what came between two tasks is nobody's."""
        self._finishing = False
        while self._read():
            pass

    def last_line(self) -> str:
        """Of what is in the pipe; it is taken out."""
        lines = (self._read() or b"").decode("utf-8", "replace").splitlines()
        return lines[-1] if lines else ""

    def close(self) -> None:
        os.close(self._fd)

    def _read(self) -> bytes | None:
        try:
            return os.read(self._fd, READ_SIZE)
        except BlockingIOError:
            return None

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._fd, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            loop.remove_reader(self._fd)
        self._woken.clear()
