"""Schedules are read with the newest line of their ledger, and never with more of it."""

from __future__ import annotations

from typing import Any

import pytest
from windlass.core.schedules import Schedule
from windlass.store.port import Store

from tests.store.test_claim_plans import execute, explain, nodes
from tests.store.test_survey_plans import rows

READS: dict[str, dict[str, Any]] = {
    "list_schedules": {"after": "", "limit": 50},
    "read_schedule": {"name": "never"},
}
TICKED = """
insert into windlass.tick (schedule, due_at, outcome, reason)
select 'often', now() - n * interval '1 s', 2, '' from generate_series(1, 20000) n
"""


@pytest.mark.parametrize("read", READS)
async def test_a_ledger_of_others_is_not_read_for_a_schedule_that_has_not_ticked(
    store: Store, dsn: str, read: str
) -> None:
    for name in ("often", "never"):
        await store.schedules.put(Schedule(name, "Noop", interval=3600.0), owner=None)
    execute(dsn, TICKED)
    execute(dsn, "analyze")
    plan = explain(dsn, READS[read], read)
    assert max(rows(node) for node in nodes(plan) if "Relation Name" in node) <= 2
