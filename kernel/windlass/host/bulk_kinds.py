"""The kinds of bulk actions: one act on every task that a filter matches, page after page, at its pace.

What it acts on are the matching tasks with a smaller id than its own: so it ends, and never meets what it makes.  Each
page is a line of its timeline, with the ids and how far it has come; another attempt goes on after the last one that
is there.  Doing a page twice does no harm: who is interrupted or has his priority is left as he is, and the request id
of a retry is derived from the bulk task and the old task.
"""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol
from uuid import UUID, uuid5

import msgspec

from windlass.core.access import Role
from windlass.core.fields import Section
from windlass.core.filters import And, Comparison, Filter, Operator, Target, parse_filter
from windlass.core.retry import RetryPolicy
from windlass.errors import FilterTooBroad, StoreUnavailable, WindlassError
from windlass.handler import Context, Failed, Handler, Outcome, Retry, Success
from windlass.store.facts import Watched
from windlass.store.port import MOST_COUNTED, Library

POOL = "bulk"
"""Its own: who wants to stop something waits for nobody's work."""
USUAL_RATE = 100
LARGEST_PAGE = 500
AT_ONCE = 20
EVENTS_AT_ONCE = 1_000
PORTION = 1_000_000
"""Bytes of the timeline that are read at once."""
STEP = 3
NAMES = UUID("0d8f1c0e-39d4-4f0c-8f43-0a8d6a4f6f57")
"""The namespace of the request ids of retries."""


class Order(msgspec.Struct, frozen=True):
    """What is asked for.  `role` and `pools` are those of whoever asked: the work is bound to them as the call was."""

    filter: str
    reason: str
    by: str
    origin: int
    rate: int = USUAL_RATE
    pools: tuple[str, ...] = ()
    priority: int | None = None
    role: Role = Role.OPERATOR
    credential: str = ""


class Tally(msgspec.Struct):
    """How far it has come.  `after` is the last id of the last page; `skipped` counts by the reason's word."""

    after: int = 0
    matched: int = 0
    done: int = 0
    skipped: dict[str, int] = {}

    def result(self) -> dict[str, Any]:
        return {"matched": self.matched, "done": self.done, "skipped": self.skipped}


class Doer(Protocol):
    """What acts on one task, for whoever ordered it."""

    library: Library

    async def interrupt(self, order: Order, task: int) -> None: ...
    async def reprioritize(self, order: Order, task: int) -> None: ...
    async def retry(self, order: Order, task: int, bulk: int, request_id: UUID) -> None: ...


class BulkHandler(Handler[Order]):
    """`doer` is set by the kernel that it belongs to."""

    pool = POOL
    retry = RetryPolicy(attempts=1_000, pause=5.0)
    section = Section.ACTIVE
    verb = ""
    doer: Doer

    def title(self, payload: Order) -> str:
        return f"{self.verb} where {payload.filter}"

    async def run(self, ctx: Context, payload: Order) -> Outcome:
        tally, pools = await self._so_far(ctx.task.id), frozenset(payload.pools)
        matching = bounded(parse_filter(payload.filter, self.section.fields), tally.after, ctx.task.id)
        total = await self._total(matching, tally, pools)
        pace = Pace(payload.rate)
        page_size = min(payload.rate, LARGEST_PAGE)
        while not ctx.cancelled.is_set():
            try:
                ids = await self.doer.library.ids_matching(matching, self.section, tally.after, page_size, pools)
            except FilterTooBroad as error:
                return Failed(f"{error.message}; narrow the filter, for example by id > {tally.after}", tally.result())
            if not ids:
                break
            await self._page(ctx, payload, ids, tally, pace)
            await ctx.progress(tally.matched, total)
            await ctx.step(f"{tally.done} of {tally.matched} {self.verb}", **_line(ids, tally))
        else:
            return Retry("ended before it was done", result=tally.result())
        return Success(tally.result())

    @abstractmethod
    async def act(self, ctx: Context, order: Order, task: int) -> None:
        """Do it to one task.  Raises what says why not."""

    async def _page(self, ctx: Context, order: Order, ids: Sequence[int], tally: Tally, pace: Pace) -> None:
        size = max(1, min(AT_ONCE, order.rate // 5))
        for start in range(0, len(ids), size):
            some = ids[start : start + size]
            if not await pace.turn(ctx, len(some)):
                return
            for why in await asyncio.gather(*(self._try(ctx, order, task) for task in some)):
                if why:
                    tally.skipped[why] = tally.skipped.get(why, 0) + 1
                else:
                    tally.done += 1
            tally.matched += len(some)
            tally.after = some[-1]

    async def _try(self, ctx: Context, order: Order, task: int) -> str:
        """Why it was not done; empty when it was."""
        try:
            await self.act(ctx, order, task)
        except StoreUnavailable:
            raise
        except WindlassError as error:
            return error.reason
        return ""

    async def _so_far(self, task: int) -> Tally:
        """Where the last attempt left off, by the last page in the timeline."""
        tally, after = Tally(), 0
        while True:
            watched = [Watched(task, after, timeline_only=True)]
            events = (await self.doer.library.events(watched, EVENTS_AT_ONCE, PORTION)).get(task, [])
            if not events:
                return tally
            after = events[-1].sequence
            pages = [event.data for event in events if event.type == STEP and event.data is not None]
            if pages:
                tally = msgspec.json.decode(pages[-1], type=Tally)

    async def _total(self, matching: Filter, tally: Tally, pools: frozenset[str]) -> int | None:
        """For people only: what can't be counted is not."""
        try:
            count = await self.doer.library.count_matching(matching, self.section, MOST_COUNTED, pools)
        except FilterTooBroad:
            return None
        return None if count > MOST_COUNTED else tally.matched + count


class BulkInterrupt(BulkHandler):
    kind = "BulkInterrupt"
    verb = "interrupted"

    async def act(self, ctx: Context, order: Order, task: int) -> None:
        await self.doer.interrupt(order, task)


class BulkRetry(BulkHandler):
    kind = "BulkRetry"
    verb = "asked again"
    section = Section.ENDED

    async def act(self, ctx: Context, order: Order, task: int) -> None:
        await self.doer.retry(order, task, ctx.task.id, uuid5(NAMES, f"{ctx.task.id}/{task}"))


class BulkReprioritize(BulkHandler):
    kind = "BulkReprioritize"
    verb = "reprioritized"

    async def act(self, ctx: Context, order: Order, task: int) -> None:
        await self.doer.reprioritize(order, task)


class Pace:
    """No more than `rate` a second, from the first turn on."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._due = 0.0

    async def turn(self, ctx: Context, count: int) -> bool:
        """Wait until `count` more may be done; False when the task is to end instead."""
        if (early := self._due - time.monotonic()) > 0:
            # Before Python 3.12 `wait_for` swallows the cancellation of a shutdown, which sets the event as well.
            with suppress(TimeoutError):
                async with asyncio.timeout(early):
                    await ctx.cancelled.wait()
        self._due = max(self._due, time.monotonic()) + count / self._rate
        return not ctx.cancelled.is_set()


def bounded(filter_: Filter, above: int, below: int) -> Filter:
    """Those of them whose ids lie between two others."""
    id_ = Target(Section.ACTIVE.fields.by_name["id"])
    bounds = (Comparison(id_, Operator.GREATER, above), Comparison(id_, Operator.LESS, below))
    return Filter(filter_.text, And(bounds if filter_.condition is None else (*bounds, filter_.condition)))


def bulk_handlers() -> list[Handler[Any]]:
    """One of each kind, for one kernel."""
    return [BulkInterrupt(), BulkRetry(), BulkReprioritize()]


def _line(ids: Sequence[int], tally: Tally) -> dict[str, Any]:
    return {**msgspec.structs.asdict(tally), "tasks": [task for task in ids if task <= tally.after]}
