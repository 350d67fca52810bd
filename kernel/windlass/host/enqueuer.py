"""Group commit: concurrent enqueues share one transaction, and a lone one never waits for company.

Whoever comes while a commit is on its way joins the next one.  Each caller is answered after the COMMIT that holds
its task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from windlass.errors import WindlassError
from windlass.store.facts import NewTask, Receipt
from windlass.store.port import Queue

LARGEST_COMMIT = 500
COMMITS_AT_ONCE = 2


class _Order:
    __slots__ = ("answer", "tasks")

    def __init__(self, tasks: Sequence[NewTask]) -> None:
        self.tasks = tasks
        self.answer: asyncio.Future[list[Receipt]] = asyncio.get_running_loop().create_future()


class Enqueuer:
    def __init__(self, queue: Queue, on_stored: Callable[[], None]) -> None:
        self._queue = queue
        self._on_stored = on_stored
        self._orders: list[_Order] = []
        self._committing: set[asyncio.Task[None]] = set()

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        """Stores all of them in one transaction, or none and raises what the store raised."""
        order = _Order(tasks)
        self._orders.append(order)
        self._start_commit()
        # A caller that goes away does not take its commit-mates with it.
        return await asyncio.shield(order.answer)

    async def finished(self) -> None:
        """Wait until every order taken is answered."""
        while self._committing:
            await asyncio.wait(self._committing)

    def _start_commit(self) -> None:
        if self._orders and len(self._committing) < COMMITS_AT_ONCE:
            commit = asyncio.create_task(self._commit(self._next_orders()))
            self._committing.add(commit)
            commit.add_done_callback(self._committed)

    def _committed(self, commit: asyncio.Task[None]) -> None:
        self._committing.discard(commit)
        self._start_commit()

    def _next_orders(self) -> list[_Order]:
        size = taken = 0
        while taken < len(self._orders) and (not taken or size + len(self._orders[taken].tasks) <= LARGEST_COMMIT):
            size += len(self._orders[taken].tasks)
            taken += 1
        orders, self._orders = self._orders[:taken], self._orders[taken:]
        return orders

    async def _commit(self, orders: list[_Order]) -> None:
        try:
            receipts = iter(await self._queue.enqueue([task for order in orders for task in order.tasks]))
        except WindlassError as error:
            await self._refuse(orders, error)
        except BaseException as error:
            _fail(orders, error)
            raise
        else:
            self._on_stored()
            for order in orders:
                mine = [next(receipts) for _ in order.tasks]
                if not order.answer.done():
                    order.answer.set_result(mine)

    async def _refuse(self, orders: list[_Order], error: WindlassError) -> None:
        if len(orders) == 1 or error.reason == "STORE_UNAVAILABLE":
            _fail(orders, error)
            return
        # One caller's bad task must not refuse the others'.
        for order in orders:
            await self._commit([order])


def _fail(orders: list[_Order], error: BaseException) -> None:
    for order in orders:
        if not order.answer.done():
            order.answer.set_exception(error)
