"""The handler that is measured: it does nothing, but tells when it was called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any

import msgspec
from windlass import Context, Handler, Outcome, Settings, Success, hookimpl


class NoopPayload(msgspec.Struct):
    i: int = 0
    pad: str = ""
    sent: float = 0.0


class Noop(Handler[NoopPayload]):
    kind = "Noop"

    def __init__(self) -> None:
        self.calls = 0
        self.first = 0.0
        self.delays: list[float] = []

    async def run(self, ctx: Context, payload: NoopPayload) -> Outcome:
        if not self.calls:
            self.first = time.perf_counter()
        self.calls += 1
        if payload.sent:
            self.delays.append(time.time() - payload.sent)
        return Success({"ok": 1})


class SpeakPayload(msgspec.Struct):
    words: int
    pause: float


class Speak(Handler[SpeakPayload]):
    """Says what time it is, again and again."""

    kind = "Speak"

    async def run(self, ctx: Context, payload: SpeakPayload) -> Outcome:
        for _ in range(payload.words):
            await asyncio.sleep(payload.pause)
            await ctx.step(repr(time.time()))
        return Success()


class NoopPlugin:
    def __init__(self) -> None:
        self.handler = Noop()

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [self.handler, Speak()]
