"""What the harness puts around a handler and behind its context, to see what the store does not keep."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, cast

from windlass.handler import Context, Handler
from windlass.host.recorder import Recorder, Speaker
from windlass.store.port import Queue


class WatchedHandler:
    """Passes everything on to the handler, and remembers how it ended.  One attempt each."""

    def __init__(self, handler: Handler[Any]) -> None:
        self._handler = handler
        self.returned: Any = None
        self.error: BaseException | None = None
        self.cleanups = 0
        self.tasks: list[asyncio.Task[Any]] = []
        """Those the kernel runs this handler in."""
        # A handler that does not run on the event loop is its executor's matter.
        self.run = self._run if inspect.iscoroutinefunction(handler.run) else handler.run

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handler, name)

    async def _run(self, ctx: Context, payload: Any) -> Any:
        self._enter()
        try:
            self.returned = await cast("Awaitable[Any]", self._handler.run(ctx, payload))
        except BaseException as error:
            self.error = error
            raise
        return self.returned

    async def cleanup(self, ctx: Context, payload: Any) -> None:
        self._enter()
        self.cleanups += 1
        await self._handler.cleanup(ctx, payload)

    def _enter(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.append(task)


class Witness(Recorder):
    """Hears each progress and each stage at the moment it is said; the store keeps the latest only."""

    def __init__(self, queue: Queue, now: Callable[[], float]) -> None:
        super().__init__(queue, lambda _: None, now)
        self.progress: list[tuple[int, float, int, int | None]] = []
        """(number, when, current, total)"""
        self._stages: dict[str, asyncio.Event] = {}

    async def stage(self, name: str) -> None:
        """Wait for the start of a stage."""
        await self._stages.setdefault(name, asyncio.Event()).wait()

    def notice(self, ctx: Speaker) -> None:
        said = ctx.outbox.progress
        if said is not None and (not self.progress or self.progress[-1] != said):
            self.progress.append(said)
        if ctx.outbox.stage is not None:
            self._stages.setdefault(ctx.outbox.stage, asyncio.Event()).set()
        super().notice(ctx)
