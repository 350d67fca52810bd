"""The Queue contract: a task waits for the end of others, and is canceled when it needed a success it did not get."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.errors import TaskNotFound
from windlass.store.facts import Receipt, Sort
from windlass.store.port import Store

from tests.contract.facts import (
    BEFORE,
    ask,
    claim,
    end,
    ended,
    facts_of,
    leader,
    new_task,
    node_of,
    put,
    state_of,
    stored,
    taken,
)
from tests.waiting import eventually


async def behind(store: Store, *others: int, **changes: Any) -> int:
    """A task that waits for the ends of these."""
    [receipt] = await store.queue.enqueue([new_task(after=others, **changes)])
    assert receipt.state is State.PENDING
    return receipt.task


async def test_it_waits_for_the_end_of_every_one(store: Store) -> None:
    node = await node_of(store)
    others = await stored(store, 2)
    first, second = await claim(store, node)
    task = await behind(store, *others)
    assert await taken(store, node) == []
    await end(store, node, first)
    assert await taken(store, node) == []
    await end(store, node, second)
    assert await taken(store, node) == [task]


async def test_it_stands_in_the_queue_meanwhile(store: Store) -> None:
    [other] = await stored(store)
    task = await behind(store, other, priority=9)
    assert [one.id for one in (await store.library.active(10, None)).items] == [task, other]
    assert await state_of(store, task) is State.PENDING


async def test_what_has_ended_already_is_not_waited_for(store: Store) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    await end(store, node, claimed, verdict=Verdict.FAILED)
    assert await taken(store, node) == []
    task = await behind(store, claimed.id)
    assert await taken(store, node) == [task]


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.FAILED, Verdict.CANCELED])
async def test_any_end_is_an_end(store: Store, verdict: Verdict) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    task = await behind(store, claimed.id)
    await end(store, node, claimed, verdict=verdict)
    assert await taken(store, node) == [task]


async def test_a_retry_is_no_end(store: Store) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    await behind(store, claimed.id)
    await end(store, node, claimed, verdict=Verdict.RETRY)
    assert await taken(store, node) == [claimed.id]


async def test_an_interrupted_task_lets_those_behind_it_go(store: Store) -> None:
    node = await node_of(store)
    [other] = await stored(store, delay=3600.0)
    task = await behind(store, other)
    await ask(store, other)
    await store.queue.release()
    assert await taken(store, node) == [task]


async def test_a_task_that_is_waited_for_says_so_at_its_end(store: Store) -> None:
    node = await node_of(store)
    awaited, alone = await stored(store, 2)
    await behind(store, awaited)
    settled = await store.queue.finish(node, [ended(one) for one in await claim(store, node)])
    assert {one.task: one.opens for one in settled} == {awaited: True, alone: False}


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.CANCELED])
async def test_a_success_it_needed_and_did_not_get_cancels_it(store: Store, verdict: Verdict) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    task = await behind(store, claimed.id, after_success=True)
    await end(store, node, claimed, verdict=verdict)
    facts = await facts_of(store, task)
    assert (facts.state, facts.attempt) == (State.CANCELED, 0)
    assert facts.message == f"task {claimed.id}, which it needed, did not complete"
    assert await taken(store, node) == []
    card = await store.library.card(task)
    assert card is not None, "one that was canceled gets a card too"


async def test_a_success_it_needed_lets_it_go(store: Store) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    task = await behind(store, claimed.id, after_success=True)
    await end(store, node, claimed)
    assert await taken(store, node) == [task]


async def test_one_missed_success_is_enough_although_others_still_run(store: Store) -> None:
    node = await node_of(store)
    await stored(store, 2)
    first, second = await claim(store, node)
    task = await behind(store, first.id, second.id, after_success=True)
    await end(store, node, second, verdict=Verdict.FAILED)
    assert await state_of(store, task) is State.CANCELED


async def test_a_whole_chain_is_canceled_in_one_look(store: Store) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    chain = [claimed.id]
    for _ in range(5):
        chain.append(await behind(store, chain[-1], after_success=True))
    last = await behind(store, chain[-1])
    await end(store, node, claimed, verdict=Verdict.FAILED)
    assert [await state_of(store, task) for task in chain[1:]] == [State.CANCELED] * 5
    assert await taken(store, node) == [last], "it only wanted the end"


async def test_an_unknown_task_can_not_be_waited_for_and_nothing_is_stored(store: Store) -> None:
    [other] = await stored(store)
    request = new_task(after=(other, 999_999), request_id=(id_ := uuid4()), body_hash=b"1" * 16)
    with pytest.raises(TaskNotFound) as refused:
        await store.queue.enqueue([new_task(), new_task(coalesce_key="k"), request])
    assert refused.value.facts == {"task": "999999"}
    assert [one.id for one in (await store.library.active(10, None)).items] == [other]
    [again] = await store.queue.enqueue([new_task(request_id=id_, body_hash=b"2" * 16)])
    assert again.sort is Sort.CREATED


async def test_a_repeated_request_waits_no_second_time(store: Store) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    request = new_task(after=(claimed.id,), request_id=uuid4(), body_hash=b"1" * 16)
    [first] = await store.queue.enqueue([request])
    assert [(r.task, r.sort) for r in await store.queue.enqueue([request])] == [(first.task, Sort.REPEATED)]
    await end(store, node, claimed)
    assert await taken(store, node) == [first.task]
    assert [(r.task, r.sort) for r in await store.queue.enqueue([request])] == [(first.task, Sort.REPEATED)]
    standing = await store.library.standing(first.task)
    assert standing is not None
    assert standing.waits_for == ()


async def test_a_request_that_joins_another_brings_nothing_to_wait_for(store: Store) -> None:
    node = await node_of(store)
    first = await put(store)
    [other] = await stored(store, delay=3600.0)
    [joined] = await store.queue.enqueue([new_task(coalesce_key="k", after=(other,))])
    assert joined == Receipt(first.task, Sort.JOINED, State.PENDING, 1)
    standing = await store.library.standing(first.task)
    assert standing is not None
    assert standing.waits_for == ()
    assert await taken(store, node) == [first.task]


async def test_others_join_a_task_that_still_waits_for_others(store: Store) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    task = await behind(store, claimed.id, coalesce_key="k")
    assert await put(store, priority=11) == Receipt(task, Sort.JOINED, State.PENDING, 1)
    assert await taken(store, node) == []
    await end(store, node, claimed)
    [got] = await claim(store, node)
    assert (got.id, got.priority) == (task, 11)


async def test_it_passes_every_gate_one_after_the_other(store: Store) -> None:
    node = await node_of(store)
    await put(store)
    [twin] = await claim(store, node)
    [holder_id] = await stored(store, slot_key="s", slot_limit=1)
    [holder] = await claim(store, node)
    assert holder.id == holder_id
    [other_id] = await stored(store)
    [other] = await claim(store, node)
    task = await behind(store, other_id, coalesce_key="k", slot_key="s", slot_limit=1)
    for one in (other, twin):
        await end(store, node, one)
        assert await taken(store, node) == []
    await end(store, node, holder)
    assert await taken(store, node) == [task]


async def test_its_own_time_counts_too(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await stored(store)
    [claimed] = await claim(store, node)
    task = await behind(store, claimed.id, delay=BEFORE)
    await end(store, node, claimed)
    assert await taken(store, node) == []

    async def came() -> bool:
        await store.queue.promote(membership, 10)
        return await taken(store, node) == [task]

    await eventually(came)


async def test_a_waiting_task_can_be_interrupted_and_those_behind_it_go_on(store: Store) -> None:
    node = await node_of(store)
    [other] = await stored(store, delay=3600.0)
    task = await behind(store, other)
    last, needing = await behind(store, task), await behind(store, task, after_success=True)
    assert await ask(store, task, "eve", "enough") is State.CANCELED
    await store.queue.release()
    assert await taken(store, node) == [last]
    assert await state_of(store, needing) is State.CANCELED
    assert (await facts_of(store, task)).message == "interrupted by eve: enough"


async def test_a_look_of_any_size_finds_the_one_that_may_go(store: Store) -> None:
    node = await node_of(store)
    await stored(store, 2)
    endless, over = await claim(store, node)
    for _ in range(3):
        await behind(store, endless.id)
    task = await behind(store, over.id)
    await store.queue.finish(node, [ended(over)])
    await store.queue.release(1)
    assert await taken(store, node) == [task]


async def test_dependents_of_different_callers_are_refused_one_by_one(store: Store) -> None:
    [other] = await stored(store)
    with pytest.raises(TaskNotFound):
        await store.queue.enqueue_each([new_task(after=(999_999,)), new_task(after=(other,))])
    assert [one.id for one in (await store.library.active(10, None)).items] == [other], "all or none, and asked again"
