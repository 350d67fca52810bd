"""Lanes and the tasks' own rows: neither waits for the other, so no order of locks can tie them up."""

from __future__ import annotations

import asyncio

import psycopg
from windlass.core.lifecycle import Verdict
from windlass.store.lanes import Entrant
from windlass.store.postgres import PostgresStore

from tests.contract.facts import claim, ended, node_of, stored

WITHIN = 5.0


async def test_entering_and_leaving_do_not_wait_for_who_locks_the_running_rows(dsn: str, store: PostgresStore) -> None:
    node = await node_of(store)
    await stored(store, 2)
    first, second = (Entrant("entities", c.id, c.attempt, node) for c in await claim(store, node))
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("select id from windlass.running for update")
        async with asyncio.timeout(WITHIN):
            assert (await store.lanes.enter(first)).fence == 1
            assert (await store.lanes.enter(second)).fence is None
            assert await store.lanes.holds(first, 1)
            await store.lanes.leave(first)
            assert await store.lanes.called([second]) == {second}
            assert (await store.lanes.enter(second)).fence == 2


async def test_an_end_does_not_wait_for_who_locks_the_lane(dsn: str, store: PostgresStore) -> None:
    node = await node_of(store)
    await stored(store)
    [claimed] = await claim(store, node)
    entrant = Entrant("entities", claimed.id, claimed.attempt, node)
    await store.lanes.enter(entrant)
    async with await psycopg.AsyncConnection.connect(dsn) as connection:
        await connection.execute("select name from windlass.lane for update")
        async with asyncio.timeout(WITHIN):
            [settled] = await store.queue.finish(node, [ended(claimed)])
            assert settled.verdict is Verdict.SUCCESS
            assert not await store.lanes.holds(entrant, 1)
