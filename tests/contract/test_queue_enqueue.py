"""The Queue contract: enqueue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from windlass.core.lifecycle import State
from windlass.errors import RequestIdReused
from windlass.store.facts import Receipt, Sort
from windlass.store.port import Store

from tests.contract.facts import ask, claim, facts_of, new_task, node_of, state_of, stored

HASH, OTHER_HASH = b"a" * 16, b"b" * 16


async def _all(store: Store) -> set[int]:
    return {facts.id for facts in (await store.library.active(1_000, None)).items}


async def test_receipts_come_in_the_order_of_the_tasks(store: Store) -> None:
    receipts = await store.queue.enqueue([new_task(title=f"{n}") for n in range(50)])
    assert [(await facts_of(store, receipt.task)).title for receipt in receipts] == [f"{n}" for n in range(50)]
    assert not any(receipt.repeated for receipt in receipts)


async def test_nothing_to_store_is_nothing_stored(store: Store) -> None:
    assert await store.queue.enqueue([]) == []
    assert await store.queue.enqueue_each([]) == []
    assert await _all(store) == set()


async def test_what_was_asked_is_what_is_read_back(store: Store) -> None:
    [task] = await stored(
        store,
        kind="Greet",
        title="Hello",
        priority=11,
        pool="greeters",
        trigger="schedule",
        origin=2,
        initiator="cron",
        labels='{"a": "1"}',
        payload='{"name": "Ada"}',
        attempt_limit=3,
        retry_pause=1.5,
    )
    facts = await facts_of(store, task)
    assert (facts.kind, facts.title, facts.priority, facts.pool) == ("Greet", "Hello", 11, "greeters")
    assert (facts.trigger, facts.origin, facts.initiator) == ("schedule", 2, "cron")
    assert (facts.labels, facts.payload) == (b'{"a": "1"}', b'{"name": "Ada"}')
    assert (facts.attempt_limit, facts.retry_pause) == (3, 1.5)
    assert (facts.state, facts.attempt, facts.uncounted) == (State.PENDING, 0, 0)
    assert (facts.started_at, facts.ended_at, facts.node, facts.message, facts.result) == (None,) * 5
    assert abs(facts.created_at - datetime.now(UTC)) < timedelta(minutes=1)


async def test_a_delayed_task_is_not_due_before_its_time(store: Store) -> None:
    node = await node_of(store)
    [task] = await stored(store, delay=3600.0)
    facts = await facts_of(store, task)
    assert facts.state is State.PENDING
    assert facts.next_try_at is not None
    assert timedelta(minutes=59) < facts.next_try_at - facts.created_at < timedelta(minutes=61)
    assert await claim(store, node) == []


async def test_a_time_gone_by_is_due_at_once(store: Store) -> None:
    node = await node_of(store)
    [task] = await stored(store, delay=-3600.0)
    assert [claimed.id for claimed in await claim(store, node)] == [task]


async def test_a_request_id_repeated_with_its_body_is_the_first_task(store: Store) -> None:
    task = new_task(request_id=uuid4(), body_hash=HASH)
    [first] = await store.queue.enqueue([task])
    assert await store.queue.enqueue([task]) == [Receipt(first.task, Sort.REPEATED)]
    assert await store.queue.enqueue_each([task]) == [Receipt(first.task, Sort.REPEATED)]
    assert await _all(store) == {first.task}


async def test_a_request_id_is_remembered_after_its_task_has_ended(store: Store) -> None:
    task = new_task(request_id=uuid4(), body_hash=HASH)
    [first] = await store.queue.enqueue([task])
    assert await ask(store, first.task) is State.CANCELED
    assert await store.queue.enqueue([task]) == [Receipt(first.task, Sort.REPEATED)]


async def test_a_request_id_twice_in_one_batch_is_one_task(store: Store) -> None:
    twin = new_task(request_id=uuid4(), body_hash=HASH)
    first, alone, second = await store.queue.enqueue([twin, new_task(), twin])
    assert second == Receipt(first.task, Sort.REPEATED)
    assert not first.repeated
    assert await _all(store) == {first.task, alone.task}


async def test_of_many_twins_the_first_of_the_batch_makes_the_task(store: Store) -> None:
    tasks = [new_task(request_id=UUID(int=n * 7919 % 500), body_hash=HASH) for n in range(1_500)]
    receipts = await store.queue.enqueue(tasks)
    assert [receipt.repeated for receipt in receipts] == [False] * 500 + [True] * 1_000


async def test_a_request_id_with_another_body_is_refused_and_nothing_is_stored(store: Store) -> None:
    id_ = uuid4()
    [first] = await store.queue.enqueue([new_task(request_id=id_, body_hash=HASH)])
    with pytest.raises(RequestIdReused) as refused:
        await store.queue.enqueue([new_task(), new_task(request_id=id_, body_hash=OTHER_HASH), new_task()])
    assert refused.value.facts == {"request_id": str(id_), "task": str(first.task)}
    assert refused.value.field == "request_id"
    assert await _all(store) == {first.task}


async def test_two_bodies_for_one_new_request_id_in_a_batch_are_refused(store: Store) -> None:
    id_ = uuid4()
    with pytest.raises(RequestIdReused):
        await store.queue.enqueue(
            [new_task(request_id=id_, body_hash=HASH), new_task(request_id=id_, body_hash=OTHER_HASH)]
        )
    assert await _all(store) == set()


async def test_a_refused_batch_leaves_its_request_ids_free(store: Store) -> None:
    used, fresh = uuid4(), uuid4()
    await store.queue.enqueue([new_task(request_id=used, body_hash=HASH)])
    with pytest.raises(RequestIdReused):
        await store.queue.enqueue(
            [new_task(request_id=fresh, body_hash=HASH), new_task(request_id=used, body_hash=OTHER_HASH)]
        )
    [receipt] = await store.queue.enqueue([new_task(request_id=fresh, body_hash=HASH)])
    assert not receipt.repeated


async def test_tasks_of_different_callers_stand_each_for_itself(store: Store) -> None:
    id_ = uuid4()
    [first] = await store.queue.enqueue([new_task(request_id=id_, body_hash=HASH)])
    before, refused, repeated, after = await store.queue.enqueue_each(
        [
            new_task(),
            new_task(request_id=id_, body_hash=OTHER_HASH),
            new_task(request_id=id_, body_hash=HASH),
            new_task(),
        ]
    )
    assert isinstance(refused, RequestIdReused)
    assert repeated == Receipt(first.task, Sort.REPEATED)
    assert isinstance(before, Receipt)
    assert isinstance(after, Receipt)
    assert await _all(store) == {first.task, before.task, after.task}


async def test_twenty_equal_calls_at_once_make_one_task(store: Store, other: Store) -> None:
    task = new_task(request_id=uuid4(), body_hash=HASH)
    answers = await asyncio.gather(*(door.queue.enqueue([task]) for door in (store, other) for _ in range(10)))
    receipts = [receipt for [receipt] in answers]
    assert len({receipt.task for receipt in receipts}) == 1
    assert sum(not receipt.repeated for receipt in receipts) == 1
    assert await _all(store) == {receipts[0].task}


async def test_batches_with_the_same_request_ids_in_any_order_do_not_block_each_other(
    store: Store, other: Store
) -> None:
    tasks = [new_task(request_id=UUID(int=n), body_hash=HASH) for n in range(40)]
    batches = [tasks, tasks[::-1], tasks[20:] + tasks[:20], tasks[::2] + tasks[1::2]] * 3
    answers = await asyncio.gather(
        *(door.queue.enqueue(batch) for door, batch in zip([store, other] * 6, batches, strict=True))
    )
    found: dict[UUID | None, set[int]] = {}
    for batch, receipts in zip(batches, answers, strict=True):
        for task, receipt in zip(batch, receipts, strict=True):
            found.setdefault(task.request_id, set()).add(receipt.task)
    assert [len(ids) for ids in found.values()] == [1] * 40
    assert len(await _all(store)) == 40


async def test_an_unknown_task_is_nobody(store: Store) -> None:
    assert await store.library.task(12345) is None
    assert await store.library.card(12345) is None
    [task] = await stored(store)
    assert await state_of(store, task) is State.PENDING
