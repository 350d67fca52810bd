"""A claim passes over what another transaction holds, and never waits for it."""

from __future__ import annotations

import asyncio

import psycopg
from windlass.store.facts import Membership
from windlass.store.port import Store

from tests.contract.facts import claim, new_task, node_of, recovered, running, stored


async def test_rows_that_another_claimer_holds_are_passed_over(store: Store, dsn: str) -> None:
    node = await node_of(store)
    tasks = [receipt.task for receipt in await store.queue.enqueue([new_task() for _ in range(10)])]
    async with await psycopg.AsyncConnection.connect(dsn) as another:
        await another.execute("select from windlass.ready where id <= %s for update", (tasks[4],))
        claimed = await asyncio.wait_for(claim(store, node), 5)
        assert [one.id for one in claimed] == tasks[5:]


async def test_a_promotion_passes_over_what_is_being_canceled(store: Store, dsn: str) -> None:
    node = await node_of(store)
    beat = await store.cluster.beat(node, 30.0)
    assert beat.term is not None
    await stored(store, 3, delay=3600.0)
    async with await psycopg.AsyncConnection.connect(dsn) as another:
        await another.execute("update windlass.deferred set next_try_at = now() - interval '1 second'")
        await another.commit()
        await another.execute("select from windlass.deferred where id = 1 for update")
        await asyncio.wait_for(store.queue.promote(Membership(node, beat.term), 10), 5)
        assert [one.id for one in await claim(store, node)] == [2, 3]


async def test_recovery_passes_over_what_its_node_is_finishing(store: Store, dsn: str) -> None:
    node = await node_of(store)
    finishing, lost = await running(store, node), await running(store, node)
    await store.cluster.leave(node)
    async with await psycopg.AsyncConnection.connect(dsn) as another:
        await another.execute("select from windlass.running where id = %s for update", (finishing.id,))
        await asyncio.wait_for(recovered(store, 1), 5)
    assert [one.id for one in await claim(store, await node_of(store))] == [lost.id]
    await recovered(store, 1)
