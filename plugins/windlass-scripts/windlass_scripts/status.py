"""What a script says of itself: one JSON object a line, on a descriptor of its own.

Output is data and is never read for meaning; only who knows `WINDLASS_STATUS_FD` and writes there is listened to.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta
from windlass import Context

from windlass_scripts.redaction import Redaction
from windlass_scripts.title import one_line

LONGEST_LINE = 64 * 1024
LARGEST_DATA = 16 * 1024
"""Bytes of a step's data, as the kernel takes it."""

AT_ONCE = 100
"""Lines of the timeline that may come in a burst; in the long run `A_SECOND`."""

A_SECOND = 10.0

_Count = Annotated[int, Meta(ge=0, le=2**53)]


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line.  `progress` is how far, or [how far, of how much]; `result` becomes part of the task's result."""

    progress: _Count | Annotated[list[_Count | None], Meta(min_length=1, max_length=2)] | None = None
    stage: Annotated[str, Meta(min_length=1)] | None = None
    step: Annotated[str, Meta(min_length=1)] | None = None
    data: dict[str, Any] | None = None
    result: Any = UNSET

    def __post_init__(self) -> None:
        if isinstance(self.progress, list) and self.progress[0] is None:
            raise ValueError("progress is [how far, of how much]")
        if self.data is not None and self.step is None:
            raise ValueError("data belongs to a step")
        if self.progress is None and self.stage is None and self.step is None and self.result is UNSET:
            raise ValueError("it names none of progress, stage, step and result")


class Listener:
    """Feed it what comes, then `close` it.  `result` is the last one the script gave, else UNSET."""

    def __init__(self, ctx: Context, redaction: Redaction) -> None:
        self.result: Any = UNSET
        self._ctx = ctx
        self._redaction = redaction
        self._line = b""
        self._skipping = False
        self._bad = 0
        self._first_bad = ""
        self._unheard = 0
        self._allowance = float(AT_ONCE)
        self._counted_at = asyncio.get_running_loop().time()
        self._progress: tuple[int, int | None] | None = None

    async def feed(self, data: bytes) -> None:
        """Of all progress in one piece only the last is passed on: the others nobody could have seen."""
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            await self._hear(line)
        if len(self._line) > LONGEST_LINE:
            if not self._skipping:
                self._mistake(self._line, f"more than {LONGEST_LINE} bytes")
            self._skipping, self._line = True, b""
        if self._progress is not None:
            current, total = self._progress
            self._progress = None
            await self._ctx.progress(current, total)

    async def close(self) -> None:
        """A last line without an end counts too.  Then the timeline is told what was left out."""
        await self.feed(b"\n")
        if self._bad:
            text = f"{self._bad} status line{'s' * (self._bad > 1)} not understood; the first: {self._first_bad}"
            await self._ctx.step(text, count=self._bad)
        if self._unheard:
            text = f"left out {self._unheard} steps and stages: more than {A_SECOND:g} a second"
            await self._ctx.step(text, count=self._unheard)

    async def _hear(self, line: bytes) -> None:
        if self._skipping:
            self._skipping = False
            return
        if not line.strip():
            return
        if len(line) > LONGEST_LINE:
            self._mistake(line, f"more than {LONGEST_LINE} bytes")
            return
        try:
            said = _decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._mistake(line, str(error))
            return
        if said.data is not None and len(msgspec.json.encode(said.data)) > LARGEST_DATA:
            self._mistake(line, f"data of more than {LARGEST_DATA} bytes")
            return
        await self._pass_on(said)

    async def _pass_on(self, said: Said) -> None:
        if said.result is not UNSET:
            self.result = self._redaction.value(said.result)
        if isinstance(said.progress, list):
            current, total = (*said.progress, None)[:2]
            self._progress = (current or 0, total)
        elif said.progress is not None:
            self._progress = (said.progress, None)
        if said.stage is not None and self._may_speak():
            await self._ctx.stage(one_line(self._redaction.text(said.stage), 100))
        if said.step is not None and self._may_speak():
            data = self._redaction.value(said.data or {})
            # They would be taken for the parameters of the call.
            data = {"data": data} if data.keys() & {"self", "text"} else data
            await self._ctx.step(one_line(self._redaction.text(said.step), 1000), **data)

    def _may_speak(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._allowance = min(AT_ONCE, self._allowance + (now - self._counted_at) * A_SECOND)
        self._counted_at = now
        if self._allowance < 1:
            self._unheard += 1
            return False
        self._allowance -= 1
        return True

    def _mistake(self, line: bytes, why: str) -> None:
        self._bad += 1
        if self._bad == 1:
            shown = one_line(self._redaction.text(line[:LONGEST_LINE].decode(errors="replace")), 100)
            self._first_bad = f"{shown} ({self._redaction.text(why)})"


_decode = msgspec.json.Decoder(Said).decode
