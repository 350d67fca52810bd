"""The claim's plan: by index whatever the statistics say, and past the dead rows of what was claimed before.

Counted in pages touched, never in time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, LiteralString

import psycopg
import pytest
from windlass.store.facts import Line
from windlass.store.port import Store
from windlass.store.postgres import parameters
from windlass.store.postgres.connection import SETTLED
from windlass.store.postgres.queue import PostgresQueue
from windlass.store.postgres.statements import sql

from tests.contract.facts import claim, ended, leader, new_task, node_of, said
from tests.waiting import eventually

HOT = {"ready", "running", "deferred"}
FILL = """
with t as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload)
  select nextval('windlass.task_id'), 'Noop', '', 5, 'default', 'api', 1, 'ada', '{}', '{}'
  from generate_series(1, %s) returning id)
insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
select id, 'Noop', 'default', 5, now(), 0, 0, 1 from t
"""
BEFORE_EVERYTHING = {"since": None, "priorities": [5], "ats": [datetime(1970, 1, 1, tzinfo=UTC)], "ids": [0]}
FROM_THE_START = {"since": "0", "priorities": [], "ats": [], "ids": []}


def explain(
    dsn: str, facts: dict[str, Any], statement: LiteralString = "claim_tasks", before: LiteralString = "settle"
) -> dict[str, Any]:
    """The plan of a claim, or another statement, that is taken back, as it ran."""
    with psycopg.connect(dsn) as connection:
        connection.prepare_threshold = None
        connection.execute(sql("settle"), SETTLED)
        connection.execute(sql(before), SETTLED)
        query = "explain (analyze, buffers, format json)\n" + sql(statement)
        row = connection.execute(query.encode(), facts).fetchone()
        connection.rollback()
    assert row is not None
    found: dict[str, Any] = (json.loads(row[0]) if isinstance(row[0], str) else row[0])[0]["Plan"]
    return found


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


def pages(plan: dict[str, Any]) -> int:
    """Touched by the search for what to take, without what taking it costs."""
    [picked] = [node for node in nodes(plan) if node.get("Subplan Name") == "CTE picked"]
    return int(picked["Shared Hit Blocks"]) + int(picked["Shared Read Blocks"])


def asked(store: Store, node: int, limit: int) -> dict[str, Any]:
    """What this store's next claim would ask for."""
    assert isinstance(store.queue, PostgresQueue)
    place = store.queue._frontiers["default", "Noop"].ask(time.monotonic())
    return {"node": node, "pool": "default", "kinds": ["Noop"], "limit": limit} | place


def scanned(plan: dict[str, Any]) -> set[str]:
    """The tables read from one end to the other."""
    return {node["Relation Name"] for node in nodes(plan) if node["Node Type"] == "Seq Scan"}


def execute(dsn: str, statement: str, *facts: object) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode(), facts)


@pytest.mark.parametrize("rolls", [0, 3])
async def test_partitions_that_were_empty_when_they_were_analysed_are_still_read_by_index(
    store: Store, dsn: str, rolls: int
) -> None:
    node = await node_of(store)
    leading = await leader(store, node)
    for _ in range(rolls):
        await store.queue.enqueue([new_task(delay=3600.0)])
        await store.upkeep.roll(leading, 0.0)
    execute(dsn, "analyze")
    execute(dsn, FILL, 20_000)
    plan = explain(dsn, {"node": node, "pool": "default", "kinds": ["Noop"], "limit": 500} | FROM_THE_START)
    assert plan["Actual Rows"] == 500
    tables = {name for name in scanned(plan) if name in HOT or name.startswith("task")}
    assert tables == set()


@pytest.mark.parametrize("statement", ["finish_tasks", "say"])
async def test_after_an_idle_hour_each_end_and_word_still_finds_its_row_by_id(
    store: Store, dsn: str, statement: LiteralString
) -> None:
    node = await node_of(store)
    # Rows came and went, and then the tables were analysed: the planner believes that `running` is empty.
    await store.queue.enqueue([new_task()] * 300)
    await store.queue.finish(node, [ended(one) for one in await claim(store, node, 300)])
    execute(dsn, "vacuum analyze")
    await store.queue.enqueue([new_task()] * 300)
    claimed = await claim(store, node, 300)
    ends = parameters.finished([ended(one) for one in claimed])
    words = parameters.told([said(one, lines=(Line(one.attempt * 10_000_000 + 1, 0.0, 3, "hi"),)) for one in claimed])
    plan = explain(dsn, {"node": node} | (ends if statement == "finish_tasks" else words), statement)
    looks = [one for one in nodes(plan) if one.get("Relation Name") == "running" and "Scan" in one["Node Type"]]
    assert looks
    # 300 looks by id may go past a dead row or two each; a look through the table for each would touch 90,000.
    assert max(_rows(one) for one in looks) < 3_000


def _rows(look: dict[str, Any]) -> float:
    removed = look.get("Rows Removed by Filter", 0) + look.get("Rows Removed by Index Recheck", 0)
    return float(look["Actual Loops"] * (look["Actual Rows"] + removed))


async def test_under_a_held_snapshot_a_claim_does_not_walk_over_what_was_claimed_before(store: Store, dsn: str) -> None:
    node = await node_of(store)

    async def flow(batches: int) -> None:
        for _ in range(batches):
            await store.queue.enqueue([new_task()] * 500)
            claimed = await claim(store, node, 500)
            assert len(claimed) == 500
            assert len(await store.queue.finish(node, [ended(one) for one in claimed])) == 500

    async with await psycopg.AsyncConnection.connect(dsn) as holder:
        await holder.execute("set transaction isolation level repeatable read")
        await holder.execute("select count(*) from windlass.task")
        await flow(1)
        await store.queue.enqueue([new_task()] * 100)
        before = pages(explain(dsn, asked(store, node, 100)))
        assert len(await claim(store, node)) == 100
        await flow(20)
        await store.queue.enqueue([new_task()] * 100)
        after = pages(explain(dsn, asked(store, node, 100)))
        from_before = pages(explain(dsn, asked(store, node, 100) | BEFORE_EVERYTHING))
    assert after <= before + 20
    # What it would be without the frontier: the dead are there, and nobody may remove them.
    assert from_before > after + 80


async def test_dead_rows_are_cleared_by_the_leader_where_the_server_naps_for_long(
    store: Store, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    leading = await leader(store, await node_of(store))
    execute(dsn, "alter table windlass.ready set (autovacuum_enabled = off)")
    execute(dsn, FILL, 25_000)
    execute(dsn, "delete from windlass.ready where id > 10")

    async def cleared() -> list[str]:
        return await store.upkeep.vacuum(leading)

    assert await cleared() == [], "this server naps for 10 s only"
    monkeypatch.setattr("windlass.store.postgres.upkeep.LONGEST_NAPTIME", 1.0)
    assert await eventually(cleared) == ["ready"]
    with psycopg.connect(dsn) as connection:
        look = "select n_dead_tup, vacuum_count from pg_stat_user_tables where relname = 'ready'"

        def is_clean() -> bool:
            connection.rollback()
            return connection.execute(look).fetchone() == (0, 1)

        await eventually(is_clean)
    assert await cleared() == []
