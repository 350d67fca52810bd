"""Group commit: callers share a transaction and nothing else."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from windlass.errors import InvalidArgument, RequestIdReused, StoreUnavailable
from windlass.host.enqueuer import Enqueuer
from windlass.store.facts import NewTask, Receipt, Sort
from windlass.store.port import Store

from tests.contract.facts import new_task
from tests.waiting import eventually


class Counted:
    """A queue that counts its commits, and holds each one back while `gate` is closed."""

    def __init__(self, store: Store) -> None:
        self._queue = store.queue
        self.commits: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def enqueue_each(self, tasks: list[NewTask]) -> list[Any]:
        self.commits.append(len(tasks))
        await self.gate.wait()
        return await self._queue.enqueue_each(tasks)

    async def enqueue(self, tasks: list[NewTask]) -> list[Receipt]:
        await self.gate.wait()
        return await self._queue.enqueue(tasks)


def of(queue: Any) -> tuple[Enqueuer, list[NewTask]]:
    told: list[NewTask] = []
    return Enqueuer(queue, told.extend), told


async def stored(store: Store) -> int:
    return len((await store.library.active(1_000, None)).items)


async def test_a_lone_call_does_not_wait_for_company(store: Store) -> None:
    queue = Counted(store)
    enqueuer, told = of(queue)
    await enqueuer.enqueue(new_task())
    assert (queue.commits, len(told)) == ([1], 1)


async def test_whoever_comes_while_a_commit_is_on_its_way_joins_the_next(store: Store) -> None:
    queue = Counted(store)
    queue.gate.clear()
    enqueuer, _ = of(queue)
    calls = [asyncio.create_task(enqueuer.enqueue(new_task(title=str(n)))) for n in range(100)]
    await eventually(lambda: queue.commits == [1])
    queue.gate.set()
    receipts = await asyncio.gather(*calls)
    assert queue.commits == [1, 99]
    assert len({receipt.task for receipt in receipts}) == 100 == await stored(store)
    for n, receipt in enumerate(receipts):
        facts = await store.library.task(receipt.task)
        assert facts is not None
        assert facts.title == str(n), "a caller got another one's task"


@pytest.mark.calm
async def test_a_commit_that_takes_long_holds_nobody_up(store: Store) -> None:
    queue = Counted(store)
    queue.gate.clear()
    enqueuer, _ = of(queue)
    stuck = asyncio.create_task(enqueuer.enqueue(new_task()))
    await eventually(lambda: queue.commits == [1])
    others = [asyncio.create_task(enqueuer.enqueue(new_task())) for _ in range(3)]
    await eventually(lambda: queue.commits == [1, 3])
    more = [asyncio.create_task(enqueuer.enqueue(new_task())) for _ in range(5)]
    queue.gate.set()
    await asyncio.gather(stuck, *others, *more)
    assert queue.commits == [1, 3, 5]


async def test_one_bad_task_in_a_shared_commit_refuses_no_other(store: Store) -> None:
    queue = Counted(store)
    queue.gate.clear()
    enqueuer, told = of(queue)
    bad = new_task(priority=40_000)
    tasks = [new_task(), new_task(), *[new_task() for _ in range(5)], bad, *[new_task() for _ in range(5)]]
    calls = [asyncio.create_task(enqueuer.enqueue(task)) for task in tasks]
    await eventually(lambda: len(queue.commits) == 2)
    queue.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(answers.pop(7), InvalidArgument)
    assert len({answer.task for answer in answers if isinstance(answer, Receipt)}) == 12 == await stored(store)
    assert len(told) == 12


async def test_a_reused_id_in_a_shared_commit_refuses_no_other(store: Store) -> None:
    enqueuer, _ = of(Counted(store))
    request = uuid4()
    first = await enqueuer.enqueue(new_task(request_id=request, body_hash=b"a"))
    answers = await asyncio.gather(
        enqueuer.enqueue(new_task()),
        enqueuer.enqueue(new_task()),
        enqueuer.enqueue(new_task(request_id=request, body_hash=b"b")),
        enqueuer.enqueue(new_task(request_id=request, body_hash=b"a")),
        return_exceptions=True,
    )
    assert isinstance(answers[2], RequestIdReused)
    assert answers[3] == Receipt(first.task, Sort.REPEATED)
    assert await stored(store) == 3


async def test_a_caller_that_goes_away_takes_no_commit_mate_with_it(store: Store) -> None:
    queue = Counted(store)
    queue.gate.clear()
    enqueuer, _ = of(queue)
    calls = [asyncio.create_task(enqueuer.enqueue(new_task())) for _ in range(10)]
    await eventually(lambda: len(queue.commits) == 2)
    calls[0].cancel()
    calls[5].cancel()
    queue.gate.set()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [isinstance(answer, asyncio.CancelledError) for answer in answers] == [n in (0, 5) for n in range(10)]
    await enqueuer.finished()
    assert await stored(store) == 10


async def test_a_batch_is_stored_whole_or_not_at_all(store: Store) -> None:
    enqueuer, told = of(Counted(store))
    with pytest.raises(InvalidArgument):
        await enqueuer.enqueue_batch([new_task(), new_task(priority=40_000), new_task()])
    assert (await stored(store), told) == (0, [])
    receipts = await enqueuer.enqueue_batch([new_task() for _ in range(3)])
    assert len({receipt.task for receipt in receipts}) == 3 == await stored(store) == len(told)


async def test_a_batch_whose_caller_goes_away_is_stored_whole(store: Store) -> None:
    queue = Counted(store)
    queue.gate.clear()
    enqueuer, _ = of(queue)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(enqueuer.enqueue_batch([new_task() for _ in range(3)]), 0.05)
    queue.gate.set()
    await enqueuer.finished()
    assert await stored(store) == 3


async def test_a_store_that_is_away_is_said_to_every_caller(store: Store) -> None:
    class Away(Counted):
        async def enqueue_each(self, tasks: list[NewTask]) -> list[Any]:
            raise StoreUnavailable("gone")

    enqueuer, told = of(Away(store))
    answers = await asyncio.gather(*(enqueuer.enqueue(new_task()) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
    assert told == []


async def test_a_batch_is_told_of_although_its_caller_has_gone(store: Store) -> None:
    queue = Counted(store)
    queue.gate.clear()
    enqueuer, told = of(queue)
    calling = asyncio.create_task(enqueuer.enqueue_batch([new_task(), new_task()]))
    await asyncio.sleep(0)
    calling.cancel()
    await asyncio.gather(calling, return_exceptions=True)
    queue.gate.set()
    await enqueuer.finished()
    assert (len(told), await stored(store)) == (2, 2)
