"""The Queue contract: what is due is promoted, by the leader only."""

from __future__ import annotations

import asyncio

from windlass.core.lifecycle import Verdict
from windlass.store.facts import Membership
from windlass.store.port import Store

from tests.contract.facts import SHORT, claim, ended, expire, held, leader, next_due, node_of, stored
from tests.waiting import eventually


async def test_a_task_is_promoted_when_it_is_due_and_not_before(store: Store) -> None:
    node = await node_of(store)
    [soon] = await stored(store, delay=SHORT)
    [later] = await stored(store, delay=3600.0)
    membership = await leader(store, node)

    async def only_the_later_one_is_left() -> bool:
        due = await next_due(store, membership, 10)
        assert due is not None
        return due > 60

    await eventually(only_the_later_one_is_left)
    assert [claimed.id for claimed in await claim(store, node)] == [soon]
    assert later not in [claimed.id for claimed in await claim(store, node)]


async def test_it_says_how_long_it_is_to_the_next_due_one(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    assert await next_due(store, membership, 10) is None
    await stored(store, delay=3600.0)
    await stored(store, delay=60.0)
    due = await next_due(store, membership, 10)
    assert due is not None
    assert 50 < due <= 60


async def test_a_full_page_says_that_there_may_be_more(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await stored(store, 5, delay=0.001)
    await eventually(lambda: _promotes(store, membership, 2))
    assert await next_due(store, membership, 2) == 0.0
    assert await next_due(store, membership, 2) is None
    assert len(await claim(store, node)) == 5


async def _promotes(store: Store, membership: Membership, limit: int) -> bool:
    return await next_due(store, membership, limit) == 0.0


async def test_a_retry_comes_back_after_its_pause(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY, pause=SHORT)])

    async def comes_back() -> bool:
        await store.queue.promote(membership, 10)
        return [one.attempt for one in await claim(store, node)] == [2]

    await eventually(comes_back)


async def test_a_node_that_does_not_lead_promotes_nothing(store: Store) -> None:
    node, neighbour = await node_of(store), await node_of(store, pid=2)
    membership = await leader(store, node)
    await stored(store, 3, delay=0.001)
    for pretender in (
        Membership(neighbour, membership.term),
        Membership(node, membership.term + 1),
        Membership(node, 0),
    ):
        assert await store.queue.promote(pretender, 10) is None
    assert await claim(store, node) == []


async def test_a_term_that_is_over_promotes_nothing(store: Store) -> None:
    old, new = await node_of(store), await node_of(store, pid=2)
    was = await leader(store, old)
    expire(store, old)
    now = await leader(store, new)
    await stored(store, 3, delay=0.001)
    assert now.term > was.term
    assert await store.queue.promote(was, 10) is None
    assert await claim(store, new) == []
    await eventually(lambda: _promoted(store, now, new))


async def _promoted(store: Store, membership: Membership, node: int) -> bool:
    await store.queue.promote(membership, 10)
    return len(await claim(store, node)) == 3


async def test_a_leadership_that_nobody_renewed_promotes_nothing(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node, lease=0.0)
    await stored(store, delay=0.001)
    assert await store.queue.promote(membership, 10) is None
    assert await claim(store, node) == []


async def test_promoting_at_once_promotes_each_task_once(store: Store, other: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    tasks = await stored(store, 100, delay=0.001)
    got: list[int] = []

    async def all_came() -> bool:
        await asyncio.gather(*(door.queue.promote(membership, 7) for door in (store, other) for _ in range(4)))
        got.extend(claimed.id for claimed in await claim(store, node))
        return len(got) >= len(tasks)

    await eventually(all_came)
    assert sorted(got) == tasks
