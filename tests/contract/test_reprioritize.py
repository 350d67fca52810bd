"""The Queue contract: a new priority counts at once, wherever the task waits."""

from __future__ import annotations

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.errors import TaskNotFound, TaskOver
from windlass.store.port import Store

from tests.contract.facts import ask, claim, end, facts_of, node_of, running, stored, taken


async def test_a_waiting_task_is_claimed_at_its_new_place(store: Store) -> None:
    node = await node_of(store)
    first, second, third = await stored(store, 3)
    assert await store.queue.reprioritize(third, 9) is State.PENDING
    assert await store.queue.reprioritize(first, 1) is State.PENDING
    assert await taken(store, node) == [third, second, first]


async def test_a_claimer_that_is_past_its_place_sees_it(store: Store) -> None:
    node = await node_of(store)
    low, lower = await stored(store, 2, priority=1)
    high = await stored(store, 3, priority=9)
    assert await taken(store, node, 3) == high
    await store.queue.reprioritize(low, 9)
    assert await taken(store, node) == [low, lower]


async def test_one_that_is_deferred_keeps_its_time(store: Store) -> None:
    [task] = await stored(store, delay=3600.0)
    before = await facts_of(store, task)
    assert await store.queue.reprioritize(task, 11) is State.PENDING
    after = await facts_of(store, task)
    assert (after.priority, after.next_try_at) == (11, before.next_try_at)


async def test_one_that_is_blocked_goes_before_the_others_of_its_key(store: Store) -> None:
    node = await node_of(store)
    _, second, third = await stored(store, 3, slot_key="s", slot_limit=1)
    [claimed] = await claim(store, node)
    await store.queue.reprioritize(third, 9)
    await end(store, node, claimed)
    assert await taken(store, node) == [third]
    assert (await facts_of(store, second)).priority == 5


async def test_for_one_that_runs_it_counts_from_the_next_attempt(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    [other] = await stored(store, priority=7)
    assert await store.queue.reprioritize(claimed.id, 9) is State.RUNNING
    await end(store, node, claimed, verdict=Verdict.RETRY)
    assert await taken(store, node) == [claimed.id, other]


async def test_one_that_is_being_canceled_says_so(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id)
    assert await store.queue.reprioritize(claimed.id, 9) is State.CANCELLING


async def test_one_that_has_ended_or_never_was_is_refused(store: Store) -> None:
    [task] = await stored(store)
    await ask(store, task)
    with pytest.raises(TaskOver) as over:
        await store.queue.reprioritize(task, 9)
    assert over.value.facts["state"] == "CANCELED"
    with pytest.raises(TaskNotFound):
        await store.queue.reprioritize(999_999, 9)
