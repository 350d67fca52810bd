"""Forwards one output pipe of a script as it comes, with bounded memory and a bounded share of the event loop."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable

from windlass_scripts.title import one_line
from windlass_scripts.wakeable import Wakeable

CHUNK = 64 * 1024
_TAIL = 2_048
"""Bytes remembered for a failing message; the last line of an error is what people look for."""

_BURST = 8 * CHUNK
_REST = 0.004
"""Seconds of rest after each burst: a script that floods gets 100 MB/s and 5 % of our loop, instead of 40 %."""

_AFTERWARDS = 1024 * 1024
"""Bytes read at most after the tree has gone: what a pipe can hold.  Only an outsider could still be writing."""

_ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


class Pump:
    """One stream.  `total` counts the bytes seen; `run` returns when the pipe ends, or after `finish` is drained."""

    def __init__(self, fd: int, forward: Callable[[bytes], Awaitable[None]]) -> None:
        self.total = 0
        self._pipe = Wakeable(fd)
        self._forward = forward
        self._tail = b""
        self._stop_at: int | None = None

    def finish(self) -> None:
        """The script is over: take what the pipe holds, and wait for nobody who kept the other end open."""
        self._stop_at = self.total + _AFTERWARDS
        self._pipe.wake()

    async def run(self) -> None:
        rested = 0
        while self._stop_at is None or self.total < self._stop_at:
            try:
                data = os.read(self._pipe.fd, CHUNK)
            except BlockingIOError:
                if self._stop_at is not None:
                    return
                await self._pipe.readable()
                continue
            if not data:
                return
            self.total += len(data)
            self._tail = (self._tail + data)[-_TAIL:]
            await self._forward(data)
            if self.total - rested >= _BURST:
                rested = self.total
                await asyncio.sleep(_REST)

    def last_line(self) -> str:
        """The last line with something on it, fit for a history list: printable, at most 500 characters."""
        text = _ESCAPES.sub(b"", self._tail).decode(errors="replace")
        lines = [one_line(line, 500) for line in text.splitlines()]
        return next((line for line in reversed(lines) if line), "")
