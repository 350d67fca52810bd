"""The Queue contract: never more tasks of a concurrency key at once than its limit, and nobody waits in vain."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import ask, claim, end, ended, leader, node_of, put, said, state_of, stored, taken
from tests.waiting import eventually


async def slotted(store: Store, count: int = 1, key: str = "s", limit: int = 1, **changes: Any) -> list[int]:
    return await stored(store, count, slot_key=key, slot_limit=limit, **changes)


async def test_as_many_as_the_limit_are_claimed_and_the_rest_wait(store: Store) -> None:
    node = await node_of(store)
    tasks = await slotted(store, 5, limit=2)
    claimed = await claim(store, node)
    assert [one.id for one in claimed] == tasks[:2]
    assert {one.slot_key for one in claimed} == {"s"}
    assert await taken(store, node) == []
    await end(store, node, claimed[0])
    assert await taken(store, node) == tasks[2:3]


async def test_each_key_has_slots_of_its_own(store: Store) -> None:
    node = await node_of(store)
    first, second = await slotted(store, 2, key="a"), await slotted(store, 2, key="b")
    assert await taken(store, node) == [first[0], second[0]]


async def test_a_parked_task_keeps_nobody_behind_it_waiting(store: Store) -> None:
    node = await node_of(store)
    busy = await slotted(store, 20, priority=9)
    free = await stored(store, 3, priority=1)
    assert await taken(store, node, 4) == [busy[0], *free]


async def test_the_best_of_a_key_goes_first_whenever_it_came(store: Store) -> None:
    node = await node_of(store)
    [running] = await slotted(store)
    [claimed] = await claim(store, node)
    assert claimed.id == running
    low, middle, high = [(await slotted(store, priority=priority))[0] for priority in (1, 5, 9)]
    order = []
    for _ in range(3):
        await end(store, node, claimed)
        [claimed] = await claim(store, node)
        order.append(claimed.id)
    assert order == [high, middle, low]


async def test_a_better_one_is_not_held_back_by_one_that_may_already_be_claimed(store: Store) -> None:
    node = await node_of(store)
    [low] = await slotted(store, priority=1)
    [high] = await slotted(store, priority=9)
    assert await taken(store, node, 1) == [high]
    assert await state_of(store, low) is State.PENDING


async def test_a_paused_kind_holds_no_slot_of_a_key(store: Store) -> None:
    node = await node_of(store)
    await store.pools.register({"default": 4}, [])
    await store.pools.register({}, [_kind("Other")])
    await store.pools.pause_kind("Other", "eve", "")
    await slotted(store, kind="Other", priority=9)
    [mine] = await slotted(store)
    assert await taken(store, node) == [mine]


async def test_a_paused_pool_holds_no_slot_of_a_key(store: Store) -> None:
    node = await node_of(store)
    await store.pools.register({"default": 4, "feeds": 1}, [])
    await store.pools.pause_pool("feeds", "eve", "")
    await slotted(store, pool="feeds", priority=9)
    [mine] = await slotted(store)
    assert await taken(store, node) == [mine]


async def test_a_resumed_kind_goes_on_where_its_key_has_room(store: Store) -> None:
    node = await node_of(store)
    await store.pools.register({"default": 4}, [_kind("Noop")])
    await store.pools.pause_kind("Noop", "eve", "")
    [task] = await slotted(store)
    assert await taken(store, node) == []
    await store.pools.resume_kind("Noop")
    assert await taken(store, node) == [task]


def _kind(name: str) -> KindFacts:
    return KindFacts(name, "default", 3, 1.0)


async def test_a_later_task_of_a_key_does_not_stand_in_the_way_of_one_that_is_due(store: Store) -> None:
    node = await node_of(store)
    await put(store, slot_key="s", slot_limit=1)
    [claimed] = await claim(store, node)
    await put(store, delay=3600.0, priority=9, slot_key="s", slot_limit=1)
    [due] = await slotted(store)
    await end(store, node, claimed)
    assert await taken(store, node) == [due]


async def test_a_key_whose_limit_was_lowered_starts_nothing_beyond_it(store: Store) -> None:
    node = await node_of(store)
    wide = await slotted(store, 3, limit=3)
    first, second, third = await claim(store, node)
    assert [first.id, second.id, third.id] == wide
    [narrow] = await slotted(store, limit=1)
    await end(store, node, first, second)
    assert await taken(store, node) == []
    await end(store, node, third)
    assert await taken(store, node) == [narrow]


async def test_one_of_a_lower_limit_takes_no_slot_that_only_others_may_have_left(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await slotted(store, 3, limit=3)
    first, *others = await claim(store, node)
    [narrow] = await slotted(store, limit=1, delay=0.001)

    async def is_promoted() -> bool:
        promoted = await store.queue.promote(membership, 10)
        return promoted is not None and promoted.next_due is None

    await eventually(is_promoted)
    await store.queue.finish(node, [ended(first)])
    assert await taken(store, node) == [], "the first slot is free, and two still run"
    await end(store, node, *others)
    assert await taken(store, node) == [narrow]


async def test_a_key_whose_limit_was_raised_starts_more(store: Store) -> None:
    node = await node_of(store)
    [narrow] = await slotted(store, limit=1)
    assert await taken(store, node) == [narrow]
    wide = await slotted(store, 3, limit=3)
    assert await taken(store, node) == wide[:2]


async def test_tasks_of_a_key_in_two_pools_share_its_slots(store: Store) -> None:
    node = await node_of(store)
    [first] = await slotted(store)
    [second] = await slotted(store, pool="feeds")
    [claimed] = await claim(store, node)
    assert claimed.id == first
    assert await claim(store, node, pool="feeds") == []
    await end(store, node, claimed)
    assert [one.id for one in await claim(store, node, pool="feeds")] == [second]


@pytest.mark.parametrize("verdict", [Verdict.FAILED, Verdict.CANCELED, Verdict.RETURNED])
async def test_any_end_frees_the_slot(store: Store, verdict: Verdict) -> None:
    node = await node_of(store)
    first, _ = await slotted(store, 2)
    [claimed] = await claim(store, node)
    assert claimed.id == first
    await end(store, node, claimed, verdict=verdict)
    assert len(await claim(store, node)) == 1


async def test_a_retry_gives_its_slot_to_the_next_while_it_waits(store: Store) -> None:
    node = await node_of(store)
    first, second = await slotted(store, 2)
    [claimed] = await claim(store, node)
    await end(store, node, claimed, verdict=Verdict.RETRY, pause=0.001)
    [next_one] = await claim(store, node)
    assert next_one.id == second
    membership = await leader(store, node)

    async def is_promoted() -> bool:
        promoted = await store.queue.promote(membership, 10)
        return promoted is not None and promoted.next_due is None

    await eventually(is_promoted)
    assert await taken(store, node) == [], "its turn is when the slot is free"
    await end(store, node, next_one)
    assert await taken(store, node) == [first]


async def test_a_lost_nodes_slot_is_free_when_its_task_is_taken_back(store: Store) -> None:
    dead, heir = await node_of(store), await node_of(store, pid=2)
    first, second = await slotted(store, 2)
    [claimed] = await claim(store, dead)
    await store.queue.say(dead, [said(claimed)])
    assert await taken(store, heir) == []
    await store.cluster.recover(dead)
    await store.queue.release()
    [again] = await claim(store, heir)
    assert again.id == first
    await end(store, heir, again)
    assert await taken(store, heir) == [second]


async def test_a_blocked_task_can_be_canceled(store: Store) -> None:
    node = await node_of(store)
    _, second, third = await slotted(store, 3)
    [claimed] = await claim(store, node)
    assert await ask(store, second) is State.CANCELED
    await end(store, node, claimed)
    assert await taken(store, node) == [third]


async def test_many_claimers_never_hold_more_than_the_limit(store: Store, other: Store) -> None:
    nodes = [(door, await node_of(door, pid=pid)) for pid, door in enumerate((store, other) * 2, start=1)]
    await slotted(store, 30, key="a", limit=2)
    await slotted(store, 30, key="b", limit=1)
    ran = 0
    while ran < 60:
        rounds = await asyncio.gather(*(claim(door, node, 3) for door, node in nodes))
        held = [one.slot_key for got in rounds for one in got]
        assert held, "nobody got anything, and something is left"
        assert held.count("a") <= 2
        assert held.count("b") <= 1
        ran += len(held)
        await asyncio.gather(*(end(door, node, *got) for (door, node), got in zip(nodes, rounds, strict=True)))


async def test_a_look_of_any_size_frees_a_key_behind_one_that_is_busy(store: Store) -> None:
    node = await node_of(store)
    for key in ("a", "b"):
        await slotted(store, 2, key=key)
    busy, free = await claim(store, node)
    assert (busy.slot_key, free.slot_key) == ("a", "b")
    await store.queue.finish(node, [ended(free)])
    assert await store.queue.release(1) == 1
    assert [one.slot_key for one in await claim(store, node)] == ["b"]
