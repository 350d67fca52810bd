"""Lanes on this node: its attempts wait in line together, and what an attempt had is given up when it ends.

    enter ──(free)─────────────────────────────────> inside ──> leave
      └──(held)──> in line ──(called)──> enter again

One look at the store for all who wait here: at every hint, and once a second in case that a hint was lost or a holder
died.  Only who is called asks again.  A store that is away is asked for as long as it takes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol, TypeVar

from windlass import telemetry
from windlass.errors import AttemptSuperseded
from windlass.handler import Lane
from windlass.host.patience import patiently
from windlass.host.service import Bell, Service
from windlass.store.lanes import Entrances, Entrant

T = TypeVar("T")

LOOK_SECONDS = 1.0


class Lanes(Service):
    """`run` looks who is called."""

    def __init__(self, store: Entrances) -> None:
        self._store = store
        self._waiting: dict[Entrant, asyncio.Future[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._bell = Bell()

    def look(self) -> None:
        """Somebody may have left a lane."""
        if self._waiting:
            self._bell.ring()

    async def enter(self, entrant: Entrant) -> int | None:
        """The fence, or None while others are first.  Raises `AttemptSuperseded`."""
        return (await patiently(lambda: self._store.enter(entrant), "a lane")).fence

    async def called(self, entrant: Entrant) -> None:
        """Wait until it is worth entering again."""
        call = self._waiting[entrant] = asyncio.get_running_loop().create_future()
        # Between its last question and now nobody listened for it.
        self._bell.ring()
        try:
            await call
        finally:
            self._waiting.pop(entrant, None)

    async def holds(self, entrant: Entrant, fence: int) -> bool:
        return await patiently(lambda: self._store.holds(entrant, fence), "a lane")

    def leave(self, entrant: Entrant) -> asyncio.Task[None]:
        """Give up the lane or the place in line.  It happens whether or not anybody waits for it."""
        leaving = asyncio.create_task(self._leave(entrant))
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)
        return leaving

    async def run(self) -> None:
        while True:
            await self._bell.wait(LOOK_SECONDS if self._waiting else None)
            if self._waiting:
                for entrant in await self._store.called(list(self._waiting)):
                    if (call := self._waiting.get(entrant)) and not call.done():
                        call.set_result(None)

    async def stop(self) -> None:
        await super().stop()
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _leave(self, entrant: Entrant) -> None:
        await patiently(lambda: self._store.leave(entrant), "a lane")
        self.look()


class Visitor(Protocol):
    """The attempt that goes through a lane."""

    superseded: bool
    ended: bool


class LiveLane(Lane):
    """One attempt's way through a lane, from the line until it has left.

    A context on a thread, or in a process, brings a `Lane` of its own that passes each call on to this one's loop.
    """

    _left: asyncio.Task[None] | None = None
    _let_go: Callable[[], None] | None = None

    def __init__(self, lanes: Lanes, entrant: Entrant, visitor: Visitor) -> None:
        self.name = entrant.lane
        self.fence = 0
        self._lanes = lanes
        self._entrant = entrant
        self._visitor = visitor

    @property
    def is_left(self) -> bool:
        return self._left is not None

    async def enter(self, on_wait: Callable[[], Awaitable[None]]) -> None:
        """Wait for our turn; `on_wait` is awaited once, if there is a wait.  Raises `AttemptSuperseded`."""
        self._refuse_the_late()
        with _told(self.name):
            fence = await self._lanes.enter(self._entrant)
            if fence is None:
                await on_wait()
            while fence is None:
                await self._lanes.called(self._entrant)
                self._refuse_the_late()
                fence = await self._lanes.enter(self._entrant)
        self.fence = fence
        if telemetry.spans is not None:
            self._let_go = telemetry.spans.begin(f"hold lane {self.name}", lane=self.name)

    async def check(self) -> None:
        self._refuse_the_late()
        held = await self._lanes.holds(self._entrant, self.fence)
        self._refuse_the_late()
        if not held:
            raise self._refusal()

    def leave(self) -> asyncio.Future[None]:
        """Give up the lane or the place in line, once; what is returned may be waited for, and cut."""
        if self._left is None:
            self._left = self._lanes.leave(self._entrant)
            if self._let_go is not None:
                self._let_go()
        return asyncio.shield(self._left)

    def _refuse_the_late(self) -> None:
        if self.is_left or self._visitor.superseded or self._visitor.ended:
            raise self._refusal()

    def _refusal(self) -> AttemptSuperseded:
        who = self._entrant
        return AttemptSuperseded(f"lane {who.lane!r} is not for attempt {who.attempt} of task {who.task} any more")


@contextmanager
def _told(lane: str) -> Iterator[None]:
    """A wait for a lane, in its trace and in the metrics."""
    began = time.monotonic()
    spans = telemetry.spans
    with nullcontext() if spans is None else spans.inside(f"wait for lane {lane}", lane=lane):
        yield
    if telemetry.meters is not None:
        telemetry.meters.lane_wait[lane,].add(time.monotonic() - began)
