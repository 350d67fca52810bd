"""The Pools contract: the slots of a pool are shared by the nodes that are alive, and never add up to more."""

from __future__ import annotations

import asyncio

import pytest
from windlass.errors import PoolNotFound
from windlass.store.pools import PoolFacts
from windlass.store.port import Store

from tests.contract.facts import expire, node_of, stored

POOL = "default"


async def a_pool(store: Store, slots: int = 8) -> None:
    await store.pools.register({POOL: slots}, [])


async def share(store: Store, node: int, in_use: int = 0, *, hungry: bool = False) -> int:
    return await store.pools.share(node, POOL, in_use, hungry=hungry)


async def facts(store: Store) -> PoolFacts:
    [found] = await store.pools.look()
    return found


async def shares(store: Store) -> dict[int, int]:
    return {one.node: one.slots for one in (await facts(store)).shares}


async def nodes(store: Store, count: int) -> list[int]:
    return [await node_of(store, pid=pid) for pid in range(1, count + 1)]


async def test_a_pool_is_known_once_a_node_registered_it(store: Store) -> None:
    assert await store.pools.look() == []
    await store.pools.register({"default": 40, "maintenance": 1}, [])
    found = await store.pools.look()
    assert [(one.name, one.slots, one.paused_by, one.shares) for one in found] == [
        ("default", 40, None, ()),
        ("maintenance", 1, None, ()),
    ]


async def test_a_live_change_stays_until_the_configuration_itself_changes(store: Store, other: Store) -> None:
    await a_pool(store, 8)
    await store.pools.resize(POOL, 3)
    await a_pool(other, 8)
    assert (await facts(store)).slots == 3
    await a_pool(other, 9)
    assert (await facts(store)).slots == 9


async def test_a_lone_node_has_every_slot(store: Store) -> None:
    await a_pool(store)
    [node] = await nodes(store, 1)
    assert await share(store, node) == 8
    assert await shares(store) == {node: 8}


async def test_a_node_without_a_lease_and_a_pool_that_is_unknown_have_no_share(store: Store) -> None:
    await a_pool(store)
    gone, alive = await nodes(store, 2)
    await store.cluster.leave(gone)
    assert await share(store, gone) == 0
    assert await store.pools.share(alive, "nowhere", 0, hungry=False) == 0
    assert await share(store, 999) == 0
    assert await shares(store) == {}


async def test_the_second_node_gets_its_half_when_the_first_has_given_it_up(store: Store) -> None:
    await a_pool(store)
    first, second = await nodes(store, 2)
    assert await share(store, first, 7, hungry=True) == 8
    assert await share(store, second, hungry=True) == 0
    assert await share(store, first, 7, hungry=True) == 4, "it fills no more than is fairly its own"
    assert await shares(store) == {first: 7, second: 0}
    assert await share(store, second, hungry=True) == 1
    assert await share(store, first, 2, hungry=True) == 4
    assert await share(store, second, 1, hungry=True) == 4
    assert await shares(store) == {first: 4, second: 4}


async def test_what_a_calm_node_does_not_use_a_hungry_one_gets(store: Store) -> None:
    await a_pool(store)
    calm, hungry = await nodes(store, 2)
    for node in (calm, hungry) * 2:
        await share(store, node)
    assert await shares(store) == {calm: 4, hungry: 4}
    await share(store, calm, 1)
    assert await share(store, hungry, 4, hungry=True) == 4
    assert await share(store, calm, 1) == 1
    assert await share(store, hungry, 4, hungry=True) == 7
    assert await share(store, calm, 1, hungry=True) == 1
    assert await share(store, hungry, 5, hungry=True) == 4
    assert await share(store, calm, 1, hungry=True) == 3


async def test_a_dead_nodes_share_is_free(store: Store) -> None:
    await a_pool(store)
    dead, left, alive = await nodes(store, 3)
    for node in (dead, left, alive):
        await share(store, node)
    expire(store, dead)
    await store.cluster.leave(left)
    assert await share(store, alive) == 8
    assert await shares(store) == {alive: 8}


async def test_more_slots_are_there_at_once(store: Store) -> None:
    await a_pool(store, 1)
    first, second = await nodes(store, 2)
    assert await share(store, first, 1, hungry=True) == 1
    assert await share(store, second, hungry=True) == 0
    await store.pools.resize(POOL, 4)
    assert await share(store, second, hungry=True) == 2
    assert await share(store, first, 1, hungry=True) == 2


async def test_fewer_slots_are_not_filled_again(store: Store) -> None:
    await a_pool(store, 8)
    first, second = await nodes(store, 2)
    for node in (first, second) * 2:
        await share(store, node)
    for node in (first, second):
        assert await share(store, node, 4, hungry=True) == 4
    await store.pools.resize(POOL, 2)
    assert await share(store, first, 4, hungry=True) == 1
    assert await share(store, second, 4, hungry=True) == 1
    assert await shares(store) == {first: 4, second: 4}, "what runs goes on"
    assert await share(store, first, 0, hungry=True) == 1
    assert await share(store, second, 1, hungry=True) == 1
    assert await shares(store) == {first: 1, second: 1}


async def test_a_pool_of_no_slots_starts_nothing(store: Store) -> None:
    await a_pool(store)
    [node] = await nodes(store, 1)
    await store.pools.resize(POOL, 0)
    assert await share(store, node, hungry=True) == 0


async def test_only_a_pool_that_exists_can_be_resized(store: Store) -> None:
    with pytest.raises(PoolNotFound) as refused:
        await store.pools.resize("nowhere", 3)
    assert refused.value.facts == {"pool": "nowhere"}


async def test_a_look_says_what_is_due_where_it_is_asked(store: Store) -> None:
    await store.pools.register({"default": 1, "feeds": 1}, [])
    await stored(store, pool="feeds")
    await stored(store, pool="default", kind="Other")
    await stored(store, pool="default", delay=3600.0)
    found = {one.name: one.has_due for one in await store.pools.look(["default", "feeds"], ["Noop"])}
    assert found == {"default": False, "feeds": True}
    assert not any(one.has_due for one in await store.pools.look(["default"], ["Noop"]))
    assert not any(one.has_due for one in await store.pools.look())


async def test_nodes_that_ask_all_at_once_never_get_more_than_there_is(store: Store, other: Store) -> None:
    await a_pool(store, 5)
    members = await nodes(store, 8)
    doors = [store, other] * 4
    for turn in range(4):
        asked = [share(door, node, 0, hungry=node % 2 == turn % 2) for door, node in zip(doors, members, strict=True)]
        await asyncio.gather(*asked)
        assert sum((await shares(store)).values()) <= 5
