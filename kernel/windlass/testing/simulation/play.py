"""What simulated tasks do, and the ledger of what really ran: kept outside of the system, which is not asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from windlass.core.interrupts import Graces
from windlass.core.residents import Resident
from windlass.core.retry import RetryPolicy
from windlass.core.schedules import Schedule
from windlass.errors import AttemptSuperseded
from windlass.handler import Context, Failed, Handler, Outcome, Retry, Success, Twin
from windlass.hookspecs import hookimpl
from windlass.settings import Settings
from windlass.testing.simulation.press import Press

TICK_SECONDS = 5.0


class Execution(NamedTuple):
    task: int
    attempt: int
    node: str
    deaf: bool
    requests: tuple[str, ...] = ()


def _nothing(_: Execution) -> None: ...


class Ledger:
    """Every execution that began, which of them still go on, and what they published."""

    def __init__(self) -> None:
        self.press = Press()
        self.executions: list[Execution] = []
        self.going_on: dict[str, set[Execution]] = {}

    on_begin: Callable[[Execution], None] = staticmethod(_nothing)

    def begin(self, task: int, attempt: int, node: str, part: Part) -> Execution:
        entry = Execution(task, attempt, node, part.deaf, part.requests)
        self.on_begin(entry)
        self.executions.append(entry)
        self.going_on.setdefault(node, set()).add(entry)
        return entry

    def end(self, entry: Execution) -> None:
        self.going_on[entry.node].discard(entry)

    def kill(self, node: str) -> None:
        """A process that is killed executes nothing any more."""
        self.going_on.pop(node, None)
        self.going_on[node] = set()
        self.press.kill(node)


class Part(msgspec.Struct):
    """How a task behaves: it works for `seconds`, says `words` lines, and ends as `end` says.

    In its last attempt it publishes through `lane`, if it names one, which takes it `publishing` seconds.  `requests`
    are those it serves, folded.
    """

    seconds: float
    words: int = 0
    end: str = "success"
    failures: int = 0
    deaf: bool = False
    lane: str = ""
    publishing: float = 0.0
    requests: tuple[str, ...] = ()


class Play(Handler[Part]):
    kind = "Play"
    retry = RetryPolicy(attempts=6, pause=2.0)
    graces = Graces(ask=1.0, raise_=1.0, cleanup=1.0)
    crash_limit = 0

    def __init__(self, ledger: Ledger, node: str) -> None:
        self._ledger = ledger
        self._node = node

    async def run(self, ctx: Context, payload: Part) -> Outcome:
        entry = self._ledger.begin(ctx.task.id, ctx.task.attempt, self._node, payload)
        try:
            await self._work(ctx, payload)
            if payload.lane and ctx.task.retries > payload.failures:
                await self._publish(ctx, payload)
        finally:
            self._ledger.end(entry)
        if ctx.task.retries <= payload.failures:
            return Retry("not yet")
        return Failed("as planned") if payload.end == "failure" else Success({"attempt": ctx.task.attempt})

    async def _work(self, ctx: Context, part: Part) -> None:
        for number in range(part.words + 1):
            if number:
                await ctx.step(f"word {number}")
            await self._sleep(part.seconds / (part.words + 1), part.deaf)

    async def _publish(self, ctx: Context, part: Part) -> None:
        press, clock, task = self._ledger.press, asyncio.get_running_loop().time, ctx.task
        try:
            async with ctx.lane(part.lane) as lane:
                visit = press.begin(
                    part.lane, lane.fence, task.id, task.attempt, self._node, deaf=part.deaf, now=clock()
                )
                try:
                    await self._sleep(part.publishing, part.deaf)
                    asked = clock()
                    await lane.check()
                    press.publish(visit, asked)
                finally:
                    press.end(visit)
        except AttemptSuperseded:
            press.refused += 1
            raise

    async def _sleep(self, seconds: float, deaf: bool) -> None:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            if not deaf:
                raise
            # Ignores the first cancellation, as careless code does.
            await asyncio.sleep(seconds)


class Gather(Play):
    """Serves all who ask for its key; whoever comes too late is served by the next."""

    kind = "Gather"

    def merge(self, payload: Part, other: Part) -> Part:
        return msgspec.structs.replace(payload, requests=payload.requests + other.requests)


class Welcome(Gather):
    """Lets others join while it runs."""

    kind = "Welcome"
    running_twin = Twin.JOIN


GATHERERS = (Gather.kind, Welcome.kind)


class PlayPlugin:
    def __init__(self, ledger: Ledger, node: str) -> None:
        self._handlers = [handler(ledger, node) for handler in (Play, Gather, Welcome)]

    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return self._handlers

    @hookimpl
    def windlass_register_schedules(self, settings: Settings) -> Iterable[Schedule]:
        return [Schedule("ticks", "Play", interval=TICK_SECONDS, payload=Part(seconds=1.0))]

    @hookimpl
    def windlass_register_residents(self, settings: Settings) -> Iterable[Resident]:
        return [Resident("Play", "stays", Part(seconds=9.0))]
