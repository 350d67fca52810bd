"""The Pools contract: what is paused starts nothing, and goes on at once when it is resumed."""

from __future__ import annotations

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.errors import KindNotFound, PoolNotFound
from windlass.store.facts import Settled
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import claim, ended, leader, node_of, running, said, state_of, stored, taken
from tests.waiting import eventually


async def known(store: Store) -> int:
    """A node that serves pools `default` and `feeds`, and knows the kinds Noop and Other."""
    kinds = [KindFacts(name, "default", 3, 1.0) for name in ("Noop", "Other")]
    await store.pools.register({"default": 4, "feeds": 4}, kinds)
    return await node_of(store)


async def test_a_paused_pool_starts_nothing_and_goes_on_at_once(store: Store, other: Store) -> None:
    node = await known(store)
    [task] = await stored(store)
    await other.pools.pause_pool("default", "eve", "moving house")
    assert await taken(store, node) == []
    assert await state_of(store, task) is State.PENDING
    await other.pools.resume_pool("default")
    assert await taken(store, node) == [task]


async def test_a_paused_pool_keeps_no_other_pool_waiting(store: Store) -> None:
    node = await known(store)
    await stored(store)
    [other] = await stored(store, pool="feeds")
    await store.pools.pause_pool("default", "eve", "")
    assert await taken(store, node) == []
    assert [one.id for one in await claim(store, node, pool="feeds")] == [other]


async def test_a_paused_kind_keeps_no_other_kind_waiting(store: Store) -> None:
    node = await known(store)
    paused = await stored(store, 3, priority=9)
    [other] = await stored(store, kind="Other", priority=1)
    await store.pools.pause_kind("Noop", "eve", "")
    claimed = await store.queue.claim(node, "default", ["Noop", "Other"], 10)
    assert [one.id for one in claimed] == [other]
    await store.pools.resume_kind("Noop")
    assert await taken(store, node) == paused


async def test_what_came_and_fell_due_during_the_pause_is_there_afterwards(store: Store) -> None:
    node = await known(store)
    membership = await leader(store, node)
    await store.pools.pause_kind("Noop", "eve", "")
    tasks = [*await stored(store, 2), *await stored(store, delay=0.001)]

    async def promoted() -> bool:
        found = await store.queue.promote(membership, 10)
        return found is not None and found.next_due is None

    await eventually(promoted)
    assert await taken(store, node) == []
    await store.pools.resume_kind("Noop")
    assert sorted(await taken(store, node)) == sorted(tasks)


async def test_what_runs_goes_on_and_is_finished(store: Store) -> None:
    node = await known(store)
    claimed = await running(store, node)
    await store.pools.pause_pool("default", "eve", "")
    await store.pools.pause_kind("Noop", "eve", "")
    assert await store.queue.say(node, [said(claimed)]) == {claimed.id}
    assert await store.queue.finish(node, [ended(claimed)]) == [Settled(claimed.id, Verdict.SUCCESS)]


async def test_the_first_who_paused_is_kept(store: Store) -> None:
    await known(store)
    for who in ("eve", "bob"):
        await store.pools.pause_pool("default", who, f"{who} says so")
    assert {one.name: one.paused_by for one in await store.pools.look()} == {"default": "eve", "feeds": None}
    await store.pools.resume_pool("default")
    await store.pools.resume_pool("default")
    await store.pools.pause_pool("default", "bob", "")
    assert (await store.pools.look())[0].paused_by == "bob"


async def test_a_pause_outlives_the_nodes_that_register(store: Store, other: Store) -> None:
    await known(store)
    await store.pools.pause_pool("default", "eve", "")
    await store.pools.pause_kind("Noop", "eve", "")
    node = await known(other)
    await stored(other)
    assert await taken(other, node) == []
    await other.pools.resume_pool("default")
    assert await taken(other, node) == []
    await other.pools.resume_kind("Noop")
    assert len(await taken(other, node)) == 1


async def test_only_what_is_known_can_be_paused_or_resumed(store: Store) -> None:
    await known(store)
    for change in (store.pools.pause_pool("nowhere", "eve", ""), store.pools.resume_pool("nowhere")):
        with pytest.raises(PoolNotFound):
            await change
    for change in (store.pools.pause_kind("Nothing", "eve", ""), store.pools.resume_kind("Nothing")):
        with pytest.raises(KindNotFound):
            await change
