"""The Cluster contract: leases and leadership."""

from __future__ import annotations

import asyncio

from windlass.store.facts import NodeFacts
from windlass.store.port import Store

from tests.contract.facts import BEFORE, LEASE, expire, node_of
from tests.waiting import eventually


async def test_every_start_of_a_node_is_an_epoch_of_its_own(store: Store, other: Store) -> None:
    epochs = [await node_of(door) for door in (store, other, store)]
    await store.cluster.leave(epochs[-1])
    epochs.append(await node_of(store))
    assert epochs == sorted(set(epochs))


async def test_a_live_lease_is_renewed_from_any_thread(store: Store) -> None:
    node = await node_of(store, lease=1.0)
    assert await asyncio.to_thread(store.cluster.renew, node, LEASE)
    assert await asyncio.to_thread(store.cluster.renew, node, LEASE)


async def test_a_lease_that_ran_out_can_not_be_renewed(store: Store) -> None:
    node = await node_of(store)
    expire(store, node)
    assert not store.cluster.renew(node, LEASE)
    assert not store.cluster.renew(node, LEASE), "and it stays so"


async def test_a_lease_runs_out_by_itself(store: Store) -> None:
    node = await node_of(store, lease=BEFORE)
    neighbour = await node_of(store, pid=2)
    assert (await store.cluster.beat(node, LEASE)).term == 1

    async def taken_over() -> bool:
        return (await store.cluster.beat(neighbour, LEASE)).term is not None

    await eventually(taken_over)
    assert not store.cluster.renew(node, LEASE)


async def test_a_node_that_left_is_gone_for_good(store: Store) -> None:
    node = await node_of(store)
    await store.cluster.leave(node)
    await store.cluster.leave(node)
    assert not store.cluster.renew(node, LEASE)
    assert (await store.cluster.beat(node, LEASE)).term is None


async def test_a_node_nobody_knows_has_no_lease(store: Store) -> None:
    assert not store.cluster.renew(4711, LEASE)
    assert (await store.cluster.beat(4711, LEASE)).term is None


async def test_one_node_leads(store: Store, other: Store) -> None:
    nodes = [(door, await node_of(door, pid=n)) for n, door in enumerate([store, other] * 5)]
    beats = await asyncio.gather(*(door.cluster.beat(node, LEASE) for door, node in nodes))
    assert sorted(beat.term is not None for beat in beats) == [False] * 9 + [True]


async def test_a_leader_that_goes_on_keeps_its_term(store: Store) -> None:
    node, neighbour = await node_of(store), await node_of(store, pid=2)
    assert [(await store.cluster.beat(node, LEASE)).term for _ in range(3)] == [1, 1, 1]
    assert (await store.cluster.beat(neighbour, LEASE)).term is None


async def test_a_leader_that_was_late_but_not_replaced_keeps_its_term(store: Store) -> None:
    node = await node_of(store)
    assert (await store.cluster.beat(node, 0.0)).term == 1
    assert (await store.cluster.beat(node, LEASE)).term == 1


async def test_every_take_over_raises_the_term(store: Store) -> None:
    one, two = await node_of(store), await node_of(store, pid=2)
    terms = [(await store.cluster.beat(node, 0.0)).term for node in (one, two, one, two)]
    assert terms == [1, 2, 3, 4]


async def test_a_leader_that_left_or_lost_its_lease_is_replaced_at_once(store: Store) -> None:
    one, two, three = [await node_of(store, pid=n) for n in (1, 2, 3)]
    assert (await store.cluster.beat(one, 3600.0)).term == 1
    await store.cluster.leave(one)
    assert (await store.cluster.beat(two, 3600.0)).term == 2
    expire(store, two)
    assert (await store.cluster.beat(three, LEASE)).term == 3
    assert (await store.cluster.beat(two, LEASE)).term is None


async def test_neighbours_are_the_other_present_nodes_of_the_same_machine(store: Store) -> None:
    me = await store.cluster.join(NodeFacts("host/1", "here", 1, 11, ("Noop",)), LEASE)
    friend = NodeFacts("host/2", "here", 2, 22, ("Noop", "Greet"))
    friend_id = await store.cluster.join(friend, LEASE)
    await store.cluster.join(NodeFacts("host/3", "there", 3, 33, ()), LEASE)
    left = await store.cluster.join(NodeFacts("host/4", "here", 4, 44, ()), LEASE)
    await store.cluster.leave(left)
    late = await store.cluster.join(NodeFacts("host/5", "here", 5, 55, ()), LEASE)
    expire(store, late)
    neighbours = {facts.id: facts for facts in (await store.cluster.beat(me, LEASE)).neighbours}
    assert set(neighbours) == {friend_id, late}, "one whose lease ran out may hold tasks still"
    found = neighbours[friend_id]
    assert (found.name, found.machine, found.pid, found.pid_started) == ("host/2", "here", 2, 22)
    assert found.kinds == ("Noop", "Greet")
