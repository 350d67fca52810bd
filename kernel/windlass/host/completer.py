"""The completer: hands in how attempts ended, as many at a time as have gathered while the last batch was on its way.

A worker slot is free as soon as the attempt has ended; the commit follows.  So this is a debt, and the dispatcher stops
claiming while it is large.  A store that is away is tried again for as long as it takes: `finish` is fenced, so
handing the same end in twice is harmless.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import structlog

from windlass import telemetry
from windlass.core.lifecycle import Verdict
from windlass.errors import InvalidArgument, StoreUnavailable
from windlass.host.service import Bell, Service
from windlass.store.facts import Ended, Settled
from windlass.store.port import Work

if TYPE_CHECKING:
    from windlass.telemetry.tracing import AttemptSpan

log = structlog.get_logger()

RETRY_PAUSE = 0.5
MOST_AT_ONCE = 1_000
DEBT_LIMIT = 4 * MOST_AT_ONCE


class Handed(NamedTuple):
    """An end that was handed in `at` that time; `span` is told when it is stored."""

    node: int
    at: float
    ended: Ended
    span: AttemptSpan | None = None


class Completer(Service):
    def __init__(
        self, work: Work, on_settled: Callable[[Sequence[Settled]], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._now = now
        self._work = work
        self._on_settled = on_settled
        self._ended: list[Handed] = []
        self._in_flight: list[Handed] = []
        self._bell = Bell()
        self._idle = asyncio.Event()
        self._idle.set()
        self.refused = 0
        """Ends the fence refused: this node was late, and another attempt's result stands."""

    @property
    def lags(self) -> bool:
        return len(self._ended) > DEBT_LIMIT

    @property
    def lag(self) -> float:
        """How many seconds the oldest end has waited to be stored."""
        waiting = self._in_flight or self._ended
        return self._now() - waiting[0].at if waiting else 0.0

    def add(self, node: int, ended: Ended, span: AttemptSpan | None = None) -> None:
        """Hand in one end.  Its ages are as of now."""
        self._ended.append(Handed(node, self._now(), ended, span))
        self._idle.clear()
        self._bell.ring()

    def holds(self) -> list[int]:
        """The tasks whose end is not stored yet."""
        return [handed.ended.task for handed in (*self._in_flight, *self._ended)]

    async def settled(self) -> None:
        """Wait until everything handed in is stored."""
        await self._idle.wait()

    async def run(self) -> None:
        while True:
            if not self._ended and not self._in_flight:
                self._idle.set()
                await self._bell.wait(None)
            if not self._in_flight:
                self._in_flight, self._ended = self._ended[:MOST_AT_ONCE], self._ended[MOST_AT_ONCE:]
            await self._hand_in(self._in_flight)
            self._in_flight = []

    async def _hand_in(self, batch: Sequence[Handed]) -> None:
        for node in {handed.node for handed in batch}:
            mine = [handed for handed in batch if handed.node == node]
            tried_before = False
            while True:
                try:
                    settled = await self._finish(node, self._aged(mine))
                    break
                except StoreUnavailable as error:
                    tried_before = True
                    log.warning("store does not answer; results wait", results=len(mine), error=error.message)
                    await asyncio.sleep(RETRY_PAUSE)
            if len(settled) < len(mine) and not tried_before:
                self._count_refused(mine, settled)
            self._on_settled(settled)
            if telemetry.spans is not None:
                _tell(mine, settled)

    def _aged(self, batch: Sequence[Handed]) -> list[Ended]:
        now = self._now()
        return [_older(handed.ended, now - handed.at) for handed in batch]

    async def _finish(self, node: int, ended: Sequence[Ended]) -> list[Settled]:
        try:
            return await self._work.finish(node, ended)
        except InvalidArgument as error:
            if len(ended) > 1:
                # One bad result must not cost the others theirs.
                return [one for end in ended for one in await self._finish(node, [end])]
            log.error("the store refuses a result", task=ended[0].task, error=error.message)
            plain = Ended(
                task=ended[0].task,
                attempt=ended[0].attempt,
                verdict=Verdict.FAILED,
                started_age=ended[0].started_age,
                message=f"the result can't be stored: {error.message}",
            )
            return await self._work.finish(node, [plain])

    def _count_refused(self, batch: Sequence[Handed], settled: Sequence[Settled]) -> None:
        accepted = {one.task for one in settled}
        for _, _, ended, _ in batch:
            if ended.task not in accepted:
                self.refused += 1
                log.warning("late result refused", task=ended.task, attempt=ended.attempt)


def _tell(batch: Iterable[Handed], settled: Iterable[Settled]) -> None:
    accepted = {one.task for one in settled}
    for handed in batch:
        if handed.span is not None and handed.ended.task in accepted:
            handed.span.stored()


def _older(ended: Ended, seconds: float) -> Ended:
    if seconds < 0.001:
        return ended
    return Ended(
        task=ended.task,
        attempt=ended.attempt,
        verdict=ended.verdict,
        started_age=None if ended.started_age is None else ended.started_age + seconds,
        ended_age=ended.ended_age + seconds,
        message=ended.message,
        result=ended.result,
        pause=ended.pause,
    )
