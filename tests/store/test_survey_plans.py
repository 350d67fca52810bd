"""The survey's plans: a look reads no more rows than it says, whatever is there, and whatever the statistics say."""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple

import pytest
from windlass.core.vitals import COUNT_CAP
from windlass.store import survey
from windlass.store.port import Store
from windlass.store.postgres import connection

from tests.store.test_claim_plans import execute, explain, nodes

POOLS = 3
EACH = {"each": survey.LISTED_EACH, "most": survey.LISTED_IN_ALL}


class Look(NamedTuple):
    """`most`: the rows that one scan in it may read."""

    most: int
    facts: dict[str, Any]
    before: LiteralString = "settle"


LOOKS: dict[LiteralString, Look] = {
    "read_depths": Look(POOLS * (COUNT_CAP + 1), {"cap": COUNT_CAP}, "keep_in_order"),
    "list_executing": Look(COUNT_CAP, EACH | {"cap": COUNT_CAP, "quiet": 0.0}),
    "list_coalescing": Look(survey.KEYED_CAP, EACH | {"cap": survey.KEYED_CAP, "joined": COUNT_CAP}, "keep_in_order"),
    "list_busy_lanes": Look(survey.MOST_LANES, {"lanes": survey.MOST_LANES, "line": survey.LONGEST_LINE}),
    "read_waiting_kinds": Look(POOLS * survey.FIRST_WAITING, {"cap": survey.FIRST_WAITING}, "keep_in_order"),
    "read_ends": Look(survey.LAST_ENDS, {"cap": survey.LAST_ENDS, "window": 3_600.0}),
    "read_nodes_alive": Look(survey.NODES_CAP, {"cap": survey.NODES_CAP, "window": 3_600.0}),
}
FILL = """
with t as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload, coalesce_key)
  select nextval('windlass.task_id'), 'Noop', '', n %% 20, 'pool ' || n %% 3, 'api', 1, 'ada', '{}', '{}', n
  from generate_series(1, %s) as n returning id, priority, pool, coalesce_key
), ready as (
  insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key)
  select id, 'Noop', pool, priority, now(), 0, 0, 1, coalesce_key from t where id %% 5 < 2
), deferred as (
  insert into windlass.deferred (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key)
  select id, 'Noop', pool, priority, now(), 0, 0, 1, coalesce_key from t where id %% 5 = 2
), blocked as (
  insert into windlass.blocked (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key, waits)
  select id, 'Noop', pool, priority, now(), 0, 0, 1, coalesce_key, 3 from t where id %% 5 = 3
)
insert into windlass.outcome (id, state, priority, kind, origin, attempt, uncounted, verdict, ended_at, message)
select id, 4 + id %% 3, priority, 'Noop', 1, 1, 0, 2, now(), '' from t where id %% 5 = 4
"""
RUN = """
insert into windlass.running (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, node, started_at)
select id, kind, pool, priority, next_try_at, 1, 0, 1, 1, now() - interval '1 hour' from windlass.ready
order by id limit 500
"""


def rows(node: dict[str, Any]) -> float:
    """Read by a scan, those included that it threw away."""
    passed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float(node["Actual Loops"] * (node["Actual Rows"] + passed))


def check(dsn: str, when: str) -> None:
    for name, look in LOOKS.items():
        plan = explain(dsn, look.facts, name, look.before)
        # Index scans under a bitmap have no relation of their own, but read all the same.
        most = max(rows(node) for node in nodes(plan) if "Index Name" in node or "Relation Name" in node)
        assert most <= look.most, f"{when}, {name} read {most:.0f} rows"


@pytest.mark.parametrize("statistics", ["none", "of an empty database", "true"])
async def test_a_look_reads_no_more_however_much_is_there(store: Store, dsn: str, statistics: str) -> None:
    for table in ("ready", "deferred", "blocked", "running", "task_0", "outcome_0"):
        execute(dsn, f"alter table windlass.{table} set (autovacuum_enabled = off)")
    if statistics == "of an empty database":
        execute(dsn, "analyze")
    execute(dsn, FILL, 90_000)
    execute(dsn, RUN)
    if statistics == "true":
        execute(dsn, "analyze")
    check(dsn, "with 90,000 tasks")
    execute(dsn, FILL, 90_000)
    check(dsn, "with twice as many")
    execute(dsn, "delete from windlass.ready where mod(id, 100) > 0")
    execute(dsn, "vacuum analyze windlass.ready")
    check(dsn, "when most are gone")


async def test_each_look_runs_as_it_is_explained_here(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    fetch = connection.fetch

    async def told(cursor: Any, statement: str, facts: dict[str, Any]) -> Any:
        ran.append(statement)
        return await fetch(cursor, statement, facts)

    monkeypatch.setattr(connection, "fetch", told)
    look = store.survey
    await look.depths()
    await look.executing(0.0)
    await look.coalescing()
    await look.busy_lanes()
    await look.waiting_kinds()
    await look.ends(1.0)
    await look.nodes(1.0)
    expected = [[name] if one.before == "settle" else [one.before, name] for name, one in LOOKS.items()]
    assert ran == [statement for statements in expected for statement in statements]
