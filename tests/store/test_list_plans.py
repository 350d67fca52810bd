"""Lists by filter go along the keys: what they touch does not grow with what they pass by."""

from __future__ import annotations

import json
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Composed
from windlass.core.fields import TASKS, Section
from windlass.core.filters import EVERYTHING, parse_filter
from windlass.core.orders import OWN, parse_order
from windlass.store.port import Store
from windlass.store.postgres.connection import SETTINGS, WALKING, Row
from windlass.store.postgres.library import PostgresLibrary
from windlass.store.postgres.statements import sql

from tests.contract.facts import leader, new_task, node_of
from tests.store.test_claim_plans import execute, nodes

QUEUE = ("ready", "deferred", "blocked", "running")
MADE = """
with t as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload)
  select nextval('windlass.task_id'), 'Noop', 'task ' || n, 5, 'default', 'api', 1, 'ada', '{}', '{}'
  from generate_series(1, %s) n returning id)
"""
ENDED = """
insert into windlass.outcome
  (id, state, priority, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message)
select id, 4 + (id %% 10 = 0)::int, 5, 'Noop', 1, 1, 0, 2, 1, now(), now(), '' from t
"""
WAITING = """
insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
select id, 'Noop', 'default', 5, now(), 0, 0, 1 from t
"""


class Captured:
    """Stands for the connections, and keeps the question."""

    def __init__(self) -> None:
        self.asked: list[tuple[Composed, dict[str, Any], bool]] = []

    async def find(self, statement: Composed, parameters: dict[str, Any], *, walks: bool = False) -> list[Row]:
        self.asked.append((statement, parameters, walks))
        return []


async def plan(dsn: str, method: str, *words: Any) -> list[dict[str, Any]]:
    """The nodes of the plan of what a list asks for, as it ran."""
    captured = Captured()
    await getattr(PostgresLibrary(captured), method)(*words)  # type: ignore[arg-type]
    [(statement, parameters, walks)] = captured.asked
    settings = SETTINGS | (WALKING if walks else {})
    with psycopg.connect(dsn) as connection:
        connection.prepare_threshold = None
        connection.execute(sql("settle"), {"names": list(settings), "settings": list(settings.values())})
        row = connection.execute(SQL("explain (analyze, buffers, format json) ") + statement, parameters).fetchone()
    assert row is not None
    return list(nodes((json.loads(row[0]) if isinstance(row[0], str) else row[0])[0]["Plan"]))


def touched(found: list[dict[str, Any]]) -> int:
    """Pages, of the whole plan."""
    return int(found[0]["Shared Hit Blocks"]) + int(found[0]["Shared Read Blocks"])


def passed_by(found: list[dict[str, Any]]) -> float:
    """Rows that were looked at and left out."""
    return float(sum(one.get("Rows Removed by Filter", 0) * one["Actual Loops"] for one in found))


def sorted_rows(found: list[dict[str, Any]]) -> float:
    return float(sum(one["Actual Rows"] for one in found if "Sort" in one["Node Type"]))


@pytest.fixture
def filled(store: Store, dsn: str) -> str:
    """20,000 tasks that have ended and, newer, 20,000 that wait."""
    execute(dsn, MADE + ENDED, 20_000)
    execute(dsn, MADE + WAITING, 20_000)
    execute(dsn, "analyze")
    return dsn


@pytest.mark.parametrize("after", [None, (15_000,)])
@pytest.mark.parametrize(
    ("text", "pools"), [("state = COMPLETED", frozenset()), ('title:"task"', frozenset()), ("", frozenset({"default"}))]
)
async def test_history_by_filter_goes_along_the_ids_past_the_queue_and_stops_at_its_page(
    filled: str, text: str, pools: frozenset[str], after: Any
) -> None:
    found = await plan(filled, "cards", 50, after, None, parse_filter(text, Section.CARDS.fields), OWN, pools)
    assert found[0]["Actual Rows"] == 51
    assert touched(found) < 51 * 8 + 50
    assert passed_by(found) < 100
    assert sorted_rows(found) == 0


async def test_a_filter_that_nothing_passes_touches_each_page_but_once(filled: str) -> None:
    found = await plan(filled, "cards", 50, None, None, parse_filter("title:nothing", Section.CARDS.fields))
    # A look by id for each of 20,000 tasks would be three pages each.
    assert touched(found) < 5_000


async def test_the_queue_by_filter_goes_along_its_order_and_stops_at_its_page(filled: str) -> None:
    chosen = parse_filter('kind = Noop AND title:"task"', Section.ACTIVE.fields)
    found = await plan(filled, "active", 50, None, chosen)
    assert found[0]["Actual Rows"] == 51
    [look] = [one for one in found if one.get("Index Name") == "ready_order" and one["Actual Rows"] > 1]
    assert look["Actual Rows"] <= 51
    assert passed_by(found) == 0
    assert touched(found) < 51 * 40


async def test_a_question_about_the_queue_never_looks_at_what_has_ended(filled: str) -> None:
    order = parse_order("title", Section.ACTIVE.fields)
    found = await plan(filled, "active", 50, None, EVERYTHING, order)
    assert not [one for one in found if one.get("Relation Name", "").startswith("outcome")]
    found = await plan(filled, "ids_matching", EVERYTHING, Section.ENDED, 0, 50)
    assert not [one for one in found if one.get("Relation Name") in QUEUE]
    assert touched(found) < 51 * 8 + 50


async def test_what_was_closed_before_the_time_a_filter_begins_with_is_left_out(store: Store, dsn: str) -> None:
    leading = await leader(store, await node_of(store))
    execute(dsn, MADE + ENDED, 2_000)
    await store.upkeep.roll(leading, 0.0)
    await store.queue.enqueue([new_task()])
    execute(dsn, MADE + ENDED, 100)
    execute(dsn, "update windlass.partition_set set opened_at = now() - interval '1 hour' where opened_at is not null")
    execute(dsn, "update windlass.task set created_at = now() - interval '2 hours' where id <= 2000")
    execute(dsn, "analyze")
    chosen = parse_filter("create_time > ago(30m) AND title:nothing", Section.CARDS.fields)
    narrow = await plan(dsn, "cards", 50, None, None, chosen)
    wide = await plan(dsn, "cards", 50, None, None, parse_filter("title:nothing", Section.CARDS.fields))
    assert passed_by(narrow) < 110
    assert passed_by(wide) >= 2_000
    counts = {
        "create_time >= ago(30m)": 100,
        "create_time > ago(30m) AND kind = Noop": 100,
        "create_time > ago(30m) OR kind = Noop": 2_100,
        "NOT create_time > ago(30m)": 2_000,
        "create_time < ago(30m)": 2_000,
        "create_time > ago(3h)": 2_100,
    }
    for text, count in counts.items():
        assert await store.library.count_matching(parse_filter(text, TASKS), Section.ENDED) == count, text
