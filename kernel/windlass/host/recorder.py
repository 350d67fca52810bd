"""The recorder: writes down what running attempts say, many attempts in one statement.

A task that says nothing and ends within `MARK_AFTER` costs no write here: its start is recorded with its end.  A
longer one has its start marked, so that people see it run and a crash counts against it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Protocol

import structlog

from windlass.errors import InvalidArgument, StoreUnavailable
from windlass.host.outbox import Outbox
from windlass.host.service import Bell, Service
from windlass.store.facts import Said
from windlass.store.port import Work

log = structlog.get_logger()

MARK_AFTER = 0.05
FLUSH_EVERY = 0.04
"""Seconds.  With the poll of those who follow (watches.py) a word is on every node within 100 ms."""
RETRY_PAUSE = 0.5
MOST_AT_ONCE = 500


class Speaker(Protocol):
    """A running attempt that has something to say."""

    outbox: Outbox
    ended: bool
    on_its_way: bool
    """Words were taken from the outbox and are not known to be stored."""

    def supersede(self) -> None:
        """The store refused its words: another attempt holds the task."""


class Recorder(Service):
    def __init__(
        self, work: Work, on_written: Callable[[Iterable[int]], None], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.now = now
        self._work = work
        self._on_written = on_written
        self._noticed: dict[Speaker, None] = {}
        self._begun: deque[Speaker] = deque()
        self._bell = Bell()
        self._waiting: dict[Speaker, list[asyncio.Future[None]]] = {}
        self._last_flush = 0.0

    def began(self, ctx: Speaker) -> None:
        """An attempt started; its start is marked if it is still running after `MARK_AFTER`."""
        self._begun.append(ctx)
        if len(self._begun) == 1:
            self._bell.ring()

    def notice(self, ctx: Speaker) -> None:
        """This context has something to say."""
        self._noticed[ctx] = None
        self._bell.ring()

    async def flushed(self, ctx: Speaker) -> None:
        """Wait until everything this context has said so far is stored, or refused."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(ctx, []).append(waiter)
        self.notice(ctx)
        await waiter

    async def run(self) -> None:
        while True:
            if not self._noticed:
                await self._bell.wait(MARK_AFTER if self._begun else None)
            await self._pace()
            self._notice_long_ones()
            for _ in range(0, len(self._noticed), MOST_AT_ONCE):
                await self._record(list(islice(self._noticed, MOST_AT_ONCE)))

    async def _record(self, batch: Sequence[Speaker]) -> None:
        waiters = [w for ctx in batch for w in self._waiting.pop(ctx, ())]
        for ctx in batch:
            del self._noticed[ctx]
            ctx.on_its_way = True
        try:
            await self._write(batch, [ctx.outbox.take() for ctx in batch])
        finally:
            for ctx in batch:
                ctx.on_its_way = False
            for waiter in waiters:
                if not waiter.done():
                    waiter.set_result(None)

    async def _pace(self) -> None:
        # The first words go out at once; a chatty task is gathered, unless somebody waits for its words.
        while not self._waiting and (early := self._last_flush + FLUSH_EVERY - self.now()) > 0:
            await self._bell.wait(early)
        self._last_flush = self.now()

    def _notice_long_ones(self) -> None:
        oldest = self.now() - MARK_AFTER
        while self._begun and self._begun[0].outbox.started <= oldest:
            ctx = self._begun.popleft()
            if not ctx.ended:
                self._noticed[ctx] = None

    async def _write(self, contexts: Sequence[Speaker], boxes: Sequence[Outbox]) -> None:
        while True:
            try:
                accepted = await self._say(boxes)
                break
            except StoreUnavailable as error:
                log.warning("store does not answer; what tasks say waits", error=error.message)
                await asyncio.sleep(RETRY_PAUSE)
        for ctx, box in zip(contexts, boxes, strict=True):
            if box.task not in accepted and not ctx.ended:
                ctx.supersede()
        self._on_written(accepted)

    async def _say(self, boxes: Sequence[Outbox]) -> set[int]:
        now = self.now()
        accepted: set[int] = set()
        for node in {box.node for box in boxes}:
            said = [box.said(now) for box in boxes if box.node == node]
            try:
                accepted |= await self._work.say(node, said)
            except InvalidArgument as error:
                # One bad line must not cost the others theirs.
                accepted |= await self._say_one_by_one(node, said, error)
        return accepted

    async def _say_one_by_one(self, node: int, said: Sequence[Said], refusal: InvalidArgument) -> set[int]:
        if len(said) == 1:
            log.error("the store refuses what a task said", task=said[0].task, error=refusal.message)
            return {said[0].task}
        accepted: set[int] = set()
        for one in said:
            try:
                accepted |= await self._work.say(node, [one])
            except InvalidArgument as error:
                accepted |= await self._say_one_by_one(node, [one], error)
        return accepted
