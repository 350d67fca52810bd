"""The plugin these tests run: kinds whose work is a function of the test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec
from windlass import Context, Graces, Handler, Outcome, RetryPolicy, Settings, Success, hookimpl

OUTPUT_CAP = 4096


class Work(msgspec.Struct, forbid_unknown_fields=True):
    play: str = ""


Play = Callable[[Context], Awaitable[Outcome]]


class Theatre:
    """What is played, and a ledger of executions outside the kernel's own word."""

    def __init__(self) -> None:
        self.plays: dict[str, Play] = {}
        self.began: list[tuple[int, int]] = []
        self.tidied: list[tuple[int, int]] = []
        self.cleanup: Callable[[Context], Awaitable[None]] | None = None
        self.playing = 0
        self.most_at_once = 0
        self.released = asyncio.Event()
        """Set when the test is over: whoever ignores being cancelled ends then."""

    def attempts(self, task: int) -> list[int]:
        return [attempt for began, attempt in self.began if began == task]

    async def stay(self) -> None:
        """Ignore being cancelled, until the test is over."""
        while not self.released.is_set():
            try:
                await self.released.wait()
            except asyncio.CancelledError:
                continue

    async def linger(self, seconds: float) -> None:
        """Do nothing for a while, or until the test is over."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self.released.wait(), seconds)

    async def play(self, ctx: Context, payload: Work) -> Outcome:
        self.began.append((ctx.task.id, ctx.task.attempt))
        self.playing += 1
        self.most_at_once = max(self.most_at_once, self.playing)
        try:
            return await self.plays[payload.play](ctx)
        finally:
            self.playing -= 1

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Player(self), TidyPlayer(self), Noop(self)]


class Player(Handler[Work]):
    kind = "Play"
    retry = RetryPolicy(attempts=3, pause=0.0)
    graces = Graces(ask=0.15, raise_=0.15, cleanup=0.3)
    output_cap = OUTPUT_CAP

    def __init__(self, theatre: Theatre) -> None:
        self._theatre = theatre

    async def run(self, ctx: Context, payload: Work) -> Outcome:
        return await self._theatre.play(ctx, payload)


class TidyPlayer(Player):
    kind = "TidyPlay"

    async def cleanup(self, ctx: Context, payload: Work) -> None:
        self._theatre.tidied.append((ctx.task.id, ctx.task.attempt))
        if self._theatre.cleanup is not None:
            await self._theatre.cleanup(ctx)


class Noop(Handler[Any]):
    kind = "Noop"

    def __init__(self, theatre: Theatre) -> None:
        self._theatre = theatre

    async def run(self, ctx: Context, payload: Any) -> Outcome:
        self._theatre.began.append((ctx.task.id, ctx.task.attempt))
        return Success()
