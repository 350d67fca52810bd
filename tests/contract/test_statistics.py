"""Statistics: whole numbers by node, merged when it is gone; depths up to a cap."""

from __future__ import annotations

import pytest
from windlass.store.facts import Membership
from windlass.store.port import Store
from windlass.store.statistics import DEPTH_CAP, Backlog, Counts, PriorityClass

from tests.contract.facts import claim, expire, leader, new_task, node_of, stored


@pytest.fixture
async def node(store: Store) -> int:
    return await node_of(store)


@pytest.fixture
async def leading(store: Store, node: int) -> Membership:
    return await leader(store, node)


def counts(number: int = 1, pool: str = "default", kind: str = "Noop") -> Counts:
    """Every number another one."""
    names = Counts.__struct_fields__[2:]
    return Counts(pool, kind, **{name: number * 10**place for place, name in enumerate(names)})


async def test_nothing_is_counted_at_the_start(store: Store) -> None:
    assert await store.statistics.counts() == []
    assert await store.statistics.backlog() == Backlog((), 0)


async def test_what_a_node_counted_is_read_back(store: Store, node: int) -> None:
    assert await store.statistics.flush(node, [counts(3)])
    assert await store.statistics.counts() == [counts(3)]


async def test_a_flush_that_is_repeated_counts_once(store: Store, node: int) -> None:
    for number in (1, 2, 2):
        assert await store.statistics.flush(node, [counts(number)])
    assert await store.statistics.counts() == [counts(2)]


async def test_nodes_are_added_up_and_pools_and_kinds_told_apart(store: Store, node: int) -> None:
    another = await node_of(store)
    await store.statistics.flush(node, [counts(1), counts(1, pool="feeds")])
    await store.statistics.flush(another, [counts(4), counts(2, kind="Other")])
    assert await store.statistics.counts() == [counts(5), counts(2, kind="Other"), counts(1, pool="feeds")]


async def test_a_flush_leaves_what_it_does_not_name(store: Store, node: int) -> None:
    await store.statistics.flush(node, [counts(1), counts(1, pool="feeds")])
    await store.statistics.flush(node, [counts(2, pool="feeds")])
    assert await store.statistics.counts() == [counts(1), counts(2, pool="feeds")]


async def test_what_nodes_counted_that_are_gone_is_not_lost(store: Store, leading: Membership) -> None:
    for number in (1, 2):
        gone = await node_of(store)
        await store.statistics.flush(gone, [counts(number)])
        await store.cluster.leave(gone)
        assert await store.statistics.merge(leading) == 1
        assert await store.statistics.merge(leading) == 0
    assert await store.statistics.counts() == [counts(3)]


async def test_a_node_whose_lease_is_over_counts_no_more(store: Store, node: int, leading: Membership) -> None:
    late = await node_of(store)
    await store.statistics.flush(late, [counts(1)])
    expire(store, late)
    assert not await store.statistics.flush(late, [counts(2)])
    assert await store.statistics.merge(leading) == 1
    assert not await store.statistics.flush(late, [counts(2)])
    assert await store.statistics.counts() == [counts(1)]


async def test_a_former_leader_merges_nothing(store: Store, leading: Membership) -> None:
    gone = await node_of(store)
    await store.statistics.flush(gone, [counts(1)])
    await store.cluster.leave(gone)
    assert await store.statistics.merge(Membership(leading.node, leading.term - 1)) == 0


async def test_a_node_is_remembered_until_what_it_counted_is_merged(store: Store, leading: Membership) -> None:
    gone = await node_of(store, lease=0.001)
    await store.cluster.leave(gone)
    late = await node_of(store)
    await store.statistics.flush(late, [counts(1)])
    expire(store, late)
    await store.upkeep.expire(leading, 3600.0, 0.0)
    assert await store.statistics.merge(leading) == 1
    assert await store.statistics.counts() == [counts(1)]


async def test_depths_are_by_pool_and_class_of_priority(store: Store) -> None:
    for priority in (100, 10, 9, 5, 4, 0, -5):
        await stored(store, priority=priority)
    await stored(store, 2, pool="feeds", priority=7)
    await stored(store, 3, delay=3600.0)
    backlog = await store.statistics.backlog()
    high, medium, low = PriorityClass.HIGH, PriorityClass.MEDIUM, PriorityClass.LOW
    found = [(depth.pool, depth.priority, depth.waiting) for depth in backlog.depths]
    assert found == [("default", high, 2), ("default", medium, 2), ("default", low, 3), ("feeds", medium, 2)]
    assert backlog.deferred == 3


async def test_what_runs_is_no_backlog(store: Store, node: int) -> None:
    await stored(store, 3)
    assert len(await claim(store, node, 2)) == 2
    assert [depth.waiting for depth in (await store.statistics.backlog()).depths] == [1]


async def test_the_age_is_that_of_the_oldest_in_its_class(store: Store) -> None:
    await stored(store, priority=6)
    [first] = (await store.statistics.backlog()).depths
    await stored(store, priority=9)
    [second] = (await store.statistics.backlog()).depths
    assert second.oldest > first.oldest >= 0.0
    assert second.oldest < 60.0


async def test_a_deep_queue_is_counted_up_to_the_cap(store: Store) -> None:
    for _ in range(6):
        await store.queue.enqueue([new_task()] * 2_000)
    [depth] = (await store.statistics.backlog()).depths
    assert depth.waiting == DEPTH_CAP + 1
    assert depth.is_more
