"""What the harness puts around a handler and behind its context, to see what the store does not keep."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

import msgspec

from windlass.core.interrupts import Rung
from windlass.executor import Attempt, Executor
from windlass.handler import Context, Failed, Handler, Outcome
from windlass.host.admission import Admission
from windlass.host.children import Children, encoded
from windlass.host.lanes import Lanes
from windlass.host.plugins import Kind
from windlass.host.recorder import Recorder, Speaker
from windlass.store.facts import Claimed
from windlass.store.lanes import Entrant
from windlass.store.lanes import Lanes as StoredLanes
from windlass.store.port import Queue
from windlass.testing.record import Child, Visit


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


class WatchedExecutor(Executor):
    """For a handler that runs elsewhere: what came of it is known when its executor says so."""

    def __init__(self, executor: Executor, handler: WatchedHandler) -> None:
        self._executor = executor
        self._handler = handler
        self.rungs = executor.rungs  # type: ignore[misc]

    async def run(self, attempt: Attempt) -> Outcome:
        try:
            outcome = await self._executor.run(attempt)
        except BaseException as error:
            self._handler.error = error
            raise
        self._handler.returned = outcome
        return outcome

    def climb(self, attempt: Attempt, rung: Rung) -> None:
        self._executor.climb(attempt, rung)


class WatchedLanes(Lanes):
    """Remembers who was in which lane, and how long."""

    def __init__(self, store: StoredLanes, now: Callable[[], float]) -> None:
        super().__init__(store)
        self._now = now
        self._inside: dict[Entrant, tuple[int, float]] = {}
        self.visits: list[Visit] = []

    async def enter(self, entrant: Entrant) -> int | None:
        fence = await super().enter(entrant)
        if fence is not None:
            self._inside[entrant] = (fence, self._now())
        return fence

    def leave(self, entrant: Entrant) -> asyncio.Task[None]:
        if inside := self._inside.pop(entrant, None):
            fence, at = inside
            self.visits.append(Visit(entrant.lane, fence, at, round(self._now() - at, 3)))
        return super().leave(entrant)


class WatchedChildren(Children):
    """Remembers what was enqueued.  Kinds that nobody registered are taken as they come."""

    def __init__(self, kinds: Mapping[str, Kind], queue: Queue, now: Callable[[], float]) -> None:
        super().__init__(Admission(AnyKind(kinds)), queue, lambda _: None)
        self._now = now
        self.made: list[Child] = []

    async def make(self, parent: Claimed, node: int, kind: str, payload: object, wishes: Mapping[str, Any]) -> int:
        task = await super().make(parent, node, kind, payload, wishes)
        others = {wish: value for wish, value in wishes.items() if wish != "name"}
        sent = msgspec.json.decode(encoded(payload))
        self.made.append(Child(task, kind, sent, wishes.get("name"), others, self._now()))
        return task


class _Stranger(Handler[Any]):
    kind = "a child's"

    async def run(self, ctx: Context, payload: Any) -> Outcome:
        return Failed("its handler is another plugin's")


class AnyKind(dict[str, Kind]):
    """A child's handler may be another plugin's."""

    def get(self, name: str, _: object = None) -> Kind:
        return super().get(name, STRANGER)


STRANGER = Kind(_Stranger(), msgspec.json.decode, has_cleanup=False)


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
