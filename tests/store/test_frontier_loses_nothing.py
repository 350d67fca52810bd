"""No task is stranded behind a frontier: rows commit out of order, and other claimers roll back."""

from __future__ import annotations

import asyncio

import psycopg
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import new_task, node_of

STORE_ONE = """
with t as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload)
  values (nextval('windlass.task_id'), 'Noop', '', %s, 'default', 'api', 1, 'ada', '{}', '{}') returning id, priority)
insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
select id, 'Noop', 'default', priority, now(), 0, 0, 1 from t returning id
"""


async def claim_all(store: Store, node: int, at_once: int = 10) -> list[int]:
    claimed: list[int] = []
    while page := await store.queue.claim(node, "default", ["Noop"], at_once):
        claimed += [task.id for task in page]
    return claimed


async def test_a_task_whose_transaction_commits_late_is_claimed_all_the_same(store: Store, dsn: str) -> None:
    node = await node_of(store)
    async with await psycopg.AsyncConnection.connect(dsn) as slow:
        late = await (await slow.execute(STORE_ONE, (5,))).fetchone()
        assert late is not None
        for _ in range(5):
            await store.queue.enqueue([new_task()] * 20)
            assert len(await claim_all(store, node)) == 20
        await slow.commit()
    assert await claim_all(store, node) == [late[0]]


async def test_a_priority_nobody_used_before_is_seen_at_the_next_claim(store: Store) -> None:
    node = await node_of(store)
    await store.queue.enqueue([new_task(priority=5)])
    assert len(await claim_all(store, node)) == 1
    [receipt] = await store.queue.enqueue([new_task(priority=77)])
    assert await claim_all(store, node) == [receipt.task]


async def test_while_eight_enqueue_and_commit_out_of_order_nothing_is_stranded(store: Store, dsn: str) -> None:
    node = await node_of(store)
    stop = asyncio.Event()
    stored: list[int] = []

    async def enqueue(priority: int) -> None:
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            while not stop.is_set():
                row = await (await connection.execute(STORE_ONE, (priority,))).fetchone()
                await connection.execute("select pg_sleep(random() * 0.01)")
                await connection.commit()
                assert row is not None
                stored.append(row[0])

    enqueuers = [asyncio.create_task(enqueue(priority)) for priority in (5, 5, 5, 5, 9, 9, 1, 1)]
    claimed: list[int] = []
    while len(stored) < 1_000:
        claimed += await claim_all(store, node, 20)
    stop.set()
    await asyncio.gather(*enqueuers)
    claimed += await claim_all(store, node, 20)
    assert sorted(claimed) == sorted(stored)


async def test_a_task_whose_kind_was_paused_is_claimed_when_it_is_resumed_however_far_the_claims_have_come(
    store: Store,
) -> None:
    kinds = [KindFacts(name, "default", 10, 30.0) for name in ("Noop", "Odd")]
    await store.pools.register({"default": 40}, kinds)
    node = await node_of(store)
    await store.pools.pause_kind("Odd", "eve", "")
    [paused] = await store.queue.enqueue([new_task(kind="Odd")])
    await store.queue.enqueue([new_task()] * 50)
    assert len(await store.queue.claim(node, "default", ["Noop", "Odd"], 50)) == 50
    await store.pools.resume_kind("Odd")
    [found] = await store.queue.claim(node, "default", ["Noop", "Odd"], 50)
    assert found.id == paused.task
