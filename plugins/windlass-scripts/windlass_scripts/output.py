"""Forwards one output pipe of a script as it comes, with bounded memory and a bounded share of the event loop."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from windlass_scripts.redaction import Stream
from windlass_scripts.title import one_line
from windlass_scripts.wakeable import Wakeable

CHUNK = 64 * 1024
_TAIL = 2_048
"""Bytes remembered for a failing message; the last line of an error is what people look for."""

_AFTERWARDS = 1024 * 1024
"""Bytes read at most after the tree has gone: what a pipe can hold.  Only an outsider could still be writing."""

_ESCAPES = re.compile(rb"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)")


class Pace(NamedTuple):
    """How much is read in one go, in bytes, and the seconds of rest after it."""

    burst: int
    rest: float


FAST = Pace(8 * CHUNK, 0.004)
"""A script that floods gets 100 MB/s and 5 % of our loop, instead of 40 %."""

MASKED = Pace(CHUNK, 0.008)
"""For what secrets are looked for in, at about 1 ms for each 64 KiB: 7 MB/s for the same share."""

SLOW = Pace(16 * 1024, 0.05)
"""For what is read line by line: 300 kB/s at most, for the same 5 %."""


class Pump:
    """One stream.  `run` returns when the pipe ends, or after `finish` is drained.

    `total` counts the bytes seen, `forwarded` those passed on: with a `mask` secrets are taken out in between.
    """

    def __init__(
        self, fd: int, forward: Callable[[bytes], Awaitable[None]], mask: Stream | None = None, pace: Pace | None = None
    ) -> None:
        self.total = self.forwarded = 0
        self._pipe = Wakeable(fd)
        self._forward = forward
        self._mask = mask
        self._pace = pace or (MASKED if mask else FAST)
        self._tail = b""
        self._stop_at: int | None = None

    def finish(self) -> None:
        """The script is over: take what the pipe holds, and wait for nobody who kept the other end open."""
        self._stop_at = self.total + _AFTERWARDS
        self._pipe.wake()

    async def run(self) -> None:
        rested = 0
        while data := await self._next():
            self.total += len(data)
            await self._pass_on(self._mask.feed(data) if self._mask else data)
            if self.total - rested >= self._pace.burst:
                rested = self.total
                await asyncio.sleep(self._pace.rest)
        if self._mask:
            await self._pass_on(self._mask.feed(b"", last=True))

    async def _next(self) -> bytes:
        """Empty when nothing more is to be taken."""
        while self._stop_at is None or self.total < self._stop_at:
            try:
                return os.read(self._pipe.fd, min(CHUNK, self._pace.burst))
            except BlockingIOError:
                if self._stop_at is not None:
                    return b""
                await self._pipe.readable()
        return b""

    async def _pass_on(self, data: bytes) -> None:
        if data:
            self.forwarded += len(data)
            self._tail = (self._tail + data)[-_TAIL:]
            await self._forward(data)

    def last_line(self) -> str:
        """The last line with something on it, fit for a history list: printable, at most 500 characters."""
        text = _ESCAPES.sub(b"", self._tail).decode(errors="replace")
        lines = [one_line(line, 500) for line in text.splitlines()]
        return next((line for line in reversed(lines) if line), "")
