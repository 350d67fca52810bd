"""Sets of partitions: same bounds everywhere, an id always has a place, and nobody is held up by a roll."""

from __future__ import annotations

import asyncio
import importlib
import time
from typing import Any

import psycopg
import pytest
from windlass.core.lifecycle import State
from windlass.store.facts import Membership
from windlass.store.port import Store
from windlass.store.postgres import open_store
from windlass.store.postgres.migrate import migrate, migrations
from windlass.store.upkeep import Roll

from tests.contract.facts import claim, ended, facts_of, held, leader, new_task, node_of, stored
from tests.waiting import eventually

module = importlib.import_module("windlass.store.postgres.migrate")

BOUNDS = """
select p.relname, array_agg(pg_get_expr(c.relpartbound, c.oid) order by c.relname) from pg_inherits i
join pg_class c on c.oid = i.inhrelid join pg_class p on p.oid = i.inhparent
where p.relnamespace = 'windlass'::regnamespace and p.relkind = 'p' group by 1
"""


@pytest.fixture
async def leading(store: Store) -> Membership:
    return await leader(store, await node_of(store))


def ask(dsn: str, query: str, *facts: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode(), facts)
        return cursor.fetchall() if cursor.description else []


def sets_of(dsn: str) -> list[tuple[int, int | None]]:
    """The sets as they are noted; every table has just these partitions."""
    noted = ask(dsn, "select lower, upper from windlass.partition_set order by lower")
    assert len(noted) > 1
    words = sorted(f"FOR VALUES FROM ('{a}') TO ({'MAXVALUE' if b is None else repr(str(b))})" for a, b in noted)
    found = ask(dsn, BOUNDS)
    assert {table for table, _ in found} >= {"task", "attempt", "outcome", "step", "output"}
    for table, bounds in found:
        assert sorted(bounds) == words, table
    return noted


def test_at_the_start_there_is_a_set_and_an_open_one_behind_it(dsn: str) -> None:
    assert sets_of(dsn) == [(0, 10_000_000), (10_000_000, None)]


async def test_a_set_that_is_nearly_used_up_gets_one_ahead_and_ids_go_on(
    store: Store, dsn: str, leading: Membership
) -> None:
    ask(dsn, "select setval('windlass.task_id', 8000001)")
    assert await store.upkeep.roll(leading, 3600.0) is Roll.AHEAD
    assert sets_of(dsn) == [(0, 10_000_000), (10_000_000, 110_000_000), (110_000_000, None)]
    assert await store.upkeep.roll(leading, 3600.0) is Roll.NONE
    assert await stored(store) == [8_000_002]


async def test_ids_that_ran_into_the_last_set_while_nobody_led_are_stored_and_it_is_closed_later(
    store: Store, dsn: str, leading: Membership
) -> None:
    ask(dsn, "select setval('windlass.task_id', 10000000)")
    tasks = await stored(store, 50)
    assert await store.upkeep.roll(leading, 3600.0) is Roll.AHEAD
    (_, (lower, upper), (last, no_end)) = sets_of(dsn)
    assert (lower, no_end) == (10_000_000, None)
    assert upper is not None
    assert last == upper > tasks[-1] + 1_000_000_000
    assert ask(dsn, "select count(*) from pg_constraint where conname = 'fence'") == [(0,)]
    assert await stored(store) == [tasks[-1] + 1]
    assert (await facts_of(store, tasks[0])).state is State.PENDING


async def test_a_fence_that_its_leader_left_behind_is_found_by_the_next(
    store: Store, dsn: str, leading: Membership
) -> None:
    ask(dsn, "select setval('windlass.task_id', 10000000)")
    await stored(store)
    ask(dsn, "select windlass.fence_last(%s, %s)", leading.node, leading.term)
    await stored(store)
    assert await store.upkeep.roll(leading, 3600.0) is Roll.AHEAD
    assert len(sets_of(dsn)) == 3


async def test_while_sets_roll_every_enqueue_works_and_ids_grow(store: Store, dsn: str, leading: Membership) -> None:
    done = asyncio.Event()
    slowest = 0.0

    async def enqueue() -> list[int]:
        nonlocal slowest
        other = await open_store(dsn, connections=2)
        ids: list[int] = []
        while not done.is_set():
            began = time.monotonic()
            ids += [receipt.task for receipt in await other.queue.enqueue([new_task()] * 5)]
            slowest = max(slowest, time.monotonic() - began)
        await other.close()
        return ids

    enqueuing = [asyncio.create_task(enqueue()) for _ in range(4)]
    rolls = 0
    while rolls < 12:
        rolls += await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    done.set()
    found = await asyncio.gather(*enqueuing)
    every = [task for ids in found for task in ids]
    assert all(ids == sorted(ids) for ids in found)
    assert len(set(every)) == len(every) == ask(dsn, "select count(*) from windlass.ready")[0][0]
    assert ask(dsn, "select count(*) from windlass.task") == [(len(every),)]
    assert len({task // 1_000_000 for task in every}) > 3, "no enqueue went on beside the rolls"
    assert slowest < 3.0


async def test_a_transaction_that_took_an_id_and_stays_open_is_waited_for_later(
    store: Store, dsn: str, leading: Membership
) -> None:
    await stored(store)
    async with await psycopg.AsyncConnection.connect(dsn) as slow:
        row = await (await slow.execute("select nextval('windlass.task_id')")).fetchone()
        assert row is not None
        began = time.monotonic()
        assert await store.upkeep.roll(leading, 0.0) is Roll.BUSY
        assert time.monotonic() - began < 2.0
        assert await stored(store) == [row[0] + 1]
        await slow.commit()
    assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    assert await stored(store) == [10_000_000]


async def test_a_reader_that_takes_hours_holds_a_roll_up_and_nobody_else(
    store: Store, dsn: str, leading: Membership
) -> None:
    await stored(store)
    async with await psycopg.AsyncConnection.connect(dsn) as reader:
        await reader.execute("select count(*) from windlass.step")
        for _ in range(3):
            assert await store.upkeep.roll(leading, 0.0) is Roll.BUSY
            assert len(await stored(store, 3)) == 3
        assert len(sets_of(dsn)) == 2
        await reader.commit()
        assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED


async def test_a_set_that_somebody_reads_is_dropped_later(store: Store, dsn: str, leading: Membership) -> None:
    node = await node_of(store)
    await store.queue.finish(node, [ended(await held(store, node))])
    assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    async with await psycopg.AsyncConnection.connect(dsn) as reader:
        await reader.execute("select * from windlass.output")
        assert await store.upkeep.drop(leading, 0.0) == 0
        assert len(sets_of(dsn)) == 3
        await reader.commit()
    assert await store.upkeep.drop(leading, 0.0) == 1
    assert [lower for lower, _ in sets_of(dsn)] == [10_000_000, 11_000_000]


async def test_a_task_that_was_committed_late_keeps_its_set(store: Store, dsn: str, leading: Membership) -> None:
    """Stored after the look and before the drop: what is looked at under the locks decides."""
    [task] = await stored(store)
    assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    assert ask(dsn, "select windlass.drop_set(%s, %s, 0)", leading.node, leading.term) == [("busy",)]
    assert (await facts_of(store, task)).state is State.PENDING


async def test_a_task_that_waits_where_we_do_not_look_keeps_its_set(
    store: Store, dsn: str, leading: Membership
) -> None:
    """A follow-up, say, that lives on its key alone: what has no outcome has not ended, wherever it is."""
    node = await node_of(store)
    await store.queue.finish(node, [ended(await held(store, node))])
    [hidden] = await stored(store)
    ask(dsn, "delete from windlass.ready")
    assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    assert await store.upkeep.drop(leading, 0.0) == 0
    assert ask(dsn, "select count(*) from windlass.task where id = %s", hidden) == [(1,)]


async def test_ids_that_run_past_the_bound_while_a_roll_waits_for_them_are_not_given_twice(
    store: Store, dsn: str, leading: Membership
) -> None:
    await stored(store)
    ask(dsn, "alter function windlass.roll set lock_timeout = '10s'")
    waiting = "select pid from pg_locks where relation = 'windlass.task_id'::regclass and not granted"
    async with await psycopg.AsyncConnection.connect(dsn) as fast:
        await fast.execute("select nextval('windlass.task_id')")
        rolling = asyncio.create_task(store.upkeep.roll(leading, 0.0))
        await eventually(lambda: ask(dsn, waiting))
        await fast.execute("select setval('windlass.task_id', 10000500)")
        await fast.commit()
        assert await rolling is Roll.ROLLED
    assert (await stored(store))[0] == 10_000_501


async def test_a_table_that_comes_later_is_partitioned_with_the_others(
    store: Store, dsn: str, leading: Membership
) -> None:
    ask(dsn, "create table windlass.remark (task bigint primary key, who text) partition by range (task)")
    ask(dsn, "select windlass.fill_sets()")
    node = await node_of(store)
    claimed = await held(store, node)
    ask(dsn, "insert into windlass.remark values (%s, 'ada')", claimed.id)
    await store.queue.finish(node, [ended(claimed)])
    assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    assert len(sets_of(dsn)) == 3
    assert await store.upkeep.drop(leading, 0.0) == 1
    assert ask(dsn, "select count(*) from windlass.remark") == [(0,)]


async def test_a_new_partition_is_like_the_first_one(store: Store, dsn: str, leading: Membership) -> None:
    await stored(store)
    assert await store.upkeep.roll(leading, 0.0) is Roll.ROLLED
    columns = """select attname, atttypid, attnotnull, attstorage from pg_attribute
                 where attrelid = %s::regclass and attnum > 0 order by 1"""
    for table in ("task", "attempt", "outcome", "step", "output"):
        assert ask(dsn, columns, f"windlass.{table}_11000000") == ask(dsn, columns, f"windlass.{table}")
        indexes = "select count(*) from pg_index where indrelid = %s::regclass"
        assert ask(dsn, indexes, f"windlass.{table}_11000000") == ask(dsn, indexes, f"windlass.{table}")
        assert ask(dsn, f"select reltuples from pg_class where relname = '{table}_11000000'") == [(0.0,)]  # analysed


async def test_tasks_from_before_there_were_sets_are_in_the_first(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = migrations()[:1]
    monkeypatch.setattr(module, "migrations", lambda: first)
    await migrate(empty)
    ask(
        empty,
        """with t as (
             insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload)
             select nextval('windlass.task_id'), 'Noop', '', 5, 'default', 'api', 1, 'ada', '{}', '{}'
             from generate_series(1, 9) returning id)
           insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
           select id, 'Noop', 'default', 5, now(), 0, 0, 1 from t""",
    )
    monkeypatch.undo()
    store = await open_store(empty)
    assert sets_of(empty) == [(0, 10_000_000), (10_000_000, None)]
    assert [one.id for one in await claim(store, await node_of(store))] == list(range(1, 10))
    await store.close()
