"""Nothing is kept in a session: behind a transaction pooler the next statement may be in another one."""

from __future__ import annotations

import psycopg
from windlass.store.lanes import Entrant
from windlass.store.postgres import PostgresStore

from tests.contract.facts import LEASE, claim, ended, leader, node_of, running

LOCKS = """
select locktype, mode from pg_locks join pg_database on pg_database.oid = database
where datname = current_database() and pid <> pg_backend_pid()
"""


async def test_whoever_leads_holds_a_lane_and_works_holds_no_lock_of_a_session(store: PostgresStore, dsn: str) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    claimed = await running(store, node, coalesce_key="a", slot_key="k", slot_limit=1)
    await store.lanes.enter(Entrant("pages", claimed.id, claimed.attempt, node))
    await store.queue.promote(membership, 10)
    assert (await store.cluster.beat(node, LEASE)).term == membership.term
    assert len(await store.queue.finish(node, [ended(claimed)])) == 1
    assert await claim(store, node) == []
    with psycopg.connect(dsn) as connection:
        assert connection.execute(LOCKS).fetchall() == []
