"""Group commit: concurrent enqueues share one transaction, and a lone one never waits for company.

Whoever comes while a commit is on its way joins the next one.  Each caller is answered after the COMMIT that holds
its task.

Each group costs a statement, a claim and an end, whatever its size.  So there is one commit at a time (one that takes
long holds nobody up: the next starts beside it), and right after a group of several the next one is gathered for as
long as orders keep coming, some milliseconds at most: 64 callers made groups of 6 without that, of 30 with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from copy import copy

from windlass import telemetry
from windlass.errors import RequestIdReused, StoreUnavailable, WindlassError
from windlass.store.facts import NewTask, Receipt
from windlass.store.port import Queue

LARGEST_COMMIT = 500
COMMITS_AT_ONCE = 2
PATIENCE = 0.02
"""Seconds that a commit may take before another starts beside it."""
GAP = 0.001
"""Seconds without another order, after which a group is whole."""
LONGEST_GATHERING = 0.004
RECENT = 0.01
"""Seconds for which a group of several promises more."""
Answer = Receipt | BaseException


class Enqueuer:
    """`on_stored` is told which tasks are stored now."""

    def __init__(self, queue: Queue, on_stored: Callable[[Sequence[NewTask]], None]) -> None:
        self._queue = queue
        self._on_stored = on_stored
        self._orders: list[tuple[NewTask, asyncio.Future[Answer]]] = []
        self._committing: set[asyncio.Task[object]] = set()
        self._groups = 0
        """Commits of single orders that are on their way."""
        self._began = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._gathering: asyncio.TimerHandle | None = None
        self._company_until = 0.0
        """When the last group of several is forgotten."""

    async def enqueue(self, task: NewTask) -> Receipt:
        """Stores one task, together with those of other callers.  Raises what the store raised."""
        began = time.monotonic()
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._orders.append((task, answer))
        self._start_commit()
        # A caller that goes away takes only its own answer with it.
        receipt = await answer
        if telemetry.meters is not None:
            telemetry.meters.enqueue[()].add(time.monotonic() - began)
        if isinstance(receipt, WindlassError):
            # Its own copy: an exception that many callers raise gathers all their tracebacks.
            raise copy(receipt)
        if isinstance(receipt, BaseException):
            raise receipt
        return receipt

    async def enqueue_batch(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        """Stores all of them in a transaction of their own, or none and raises what the store raised."""
        storing = asyncio.create_task(self._store_batch(tasks))
        self._committing.add(storing)
        storing.add_done_callback(self._committing.discard)
        # A caller that goes away takes only its own answer with it.
        return await asyncio.shield(storing)

    async def finished(self) -> None:
        """Wait until every order taken is answered."""
        while self._committing or self._gathering is not None:
            if self._gathering is not None:
                self._gathering.cancel()
                self._commit_now()
            await asyncio.wait(self._committing)

    def _start_commit(self) -> None:
        if not self._orders or self._gathering is not None or self._groups >= COMMITS_AT_ONCE:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._groups and now < self._began + PATIENCE:
            if self._alarm is None:
                self._alarm = loop.call_at(self._began + PATIENCE, self._lose_patience)
        elif not self._groups and now < self._company_until:
            self._gather(now + LONGEST_GATHERING)
        else:
            self._commit_now()

    def _gather(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        self._gathering = loop.call_later(GAP, self._gathered, len(self._orders), until)

    def _gathered(self, before: int, until: float) -> None:
        if before < len(self._orders) < LARGEST_COMMIT and asyncio.get_running_loop().time() < until:
            self._gather(until)
        else:
            self._commit_now()

    def _commit_now(self) -> None:
        self._gathering = None
        orders, self._orders = self._orders[:LARGEST_COMMIT], self._orders[LARGEST_COMMIT:]
        self._groups, self._began = self._groups + 1, asyncio.get_running_loop().time()
        commit = asyncio.create_task(self._commit(orders))
        self._committing.add(commit)
        commit.add_done_callback(self._committed)

    def _lose_patience(self) -> None:
        self._alarm = None
        self._start_commit()

    def _committed(self, commit: asyncio.Task[object]) -> None:
        self._committing.discard(commit)
        self._groups -= 1
        self._start_commit()

    async def _commit(self, orders: Sequence[tuple[NewTask, asyncio.Future[Answer]]]) -> None:
        answers: Sequence[Answer]
        try:
            answers = await self._store([task for task, _ in orders])
        except BaseException as error:  # noqa: BLE001 - each caller raises it
            answers = [error] * len(orders)
        for (_, future), answer in zip(orders, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        if len(orders) > 1:
            self._company_until = asyncio.get_running_loop().time() + RECENT

    async def _store_batch(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        try:
            receipts = await self._queue.enqueue(tasks)
        except RequestIdReused as error:
            places = {str(task.request_id): n for n, task in enumerate(tasks)}
            error.field = f"requests[{places[error.facts['request_id']]}].request_id"
            raise
        self._on_stored(_made(tasks, receipts))
        return receipts

    async def _store(self, tasks: Sequence[NewTask]) -> Sequence[Answer]:
        try:
            receipts: Sequence[Receipt | RequestIdReused] = await self._queue.enqueue_each(tasks)
        except StoreUnavailable as error:
            return [error] * len(tasks)
        except WindlassError as error:
            # One caller's bad task must not refuse the others'.
            return [error] if len(tasks) == 1 else [answer for task in tasks for answer in await self._store([task])]
        self._on_stored(_made(tasks, receipts))
        return receipts


def _made(tasks: Sequence[NewTask], receipts: Sequence[Receipt | RequestIdReused]) -> list[NewTask]:
    """Those that are new: the others were stored by an earlier call."""
    pairs = zip(tasks, receipts, strict=True)
    return [task for task, receipt in pairs if isinstance(receipt, Receipt) and not receipt.repeated]
