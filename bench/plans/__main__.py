"""`python -m bench.plans`: writes the plans of the hot statements, as they ran, beside this file.

With 100,000 tasks ready and statistics from when the tables were empty, which is when a planner goes wrong.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from windlass import embedded
from windlass.core.lifecycle import Verdict
from windlass.store.facts import Claimed, Ended, NewTask, NodeFacts
from windlass.store.postgres import PostgresStore, open_store, parameters
from windlass.store.postgres.connection import SETTINGS
from windlass.store.postgres.line import KEPT
from windlass.store.postgres.statements import sql

HERE = Path(__file__).parent
BATCH = 500
TASK = NewTask("Noop", "hello", 5, "default", "bench", 2, "bench", "{}", '{"i": 1}')


async def main(dsn: str) -> None:
    store = await open_store(dsn)
    await store.pools.register({"default": 40}, [])
    node = await store.cluster.join(NodeFacts("here/1", "machine", 1, 1, ("Noop",)), 3600)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("vacuum analyze")
    for _ in range(200):
        await store.queue.enqueue([TASK] * BATCH)
    await store.queue.claim(node, "default", ["Noop"], BATCH)
    claimed = await store.queue.claim(node, "default", ["Noop"], BATCH)
    write(dsn, "claim_tasks", _claim(store, node), KEPT)
    write(dsn, "finish_tasks", {"node": node} | parameters.finished([_end(one) for one in claimed]), {})
    await store.close()


def _claim(store: PostgresStore, node: int) -> dict[str, Any]:
    queue: Any = store.queue
    place: dict[str, Any] = queue._frontiers["default"].ask(time.monotonic())
    return {"node": node, "pool": "default", "kinds": ["Noop"], "limit": BATCH} | place


def _end(claimed: Claimed) -> Ended:
    return Ended(claimed.id, claimed.attempt, Verdict.SUCCESS, 0.0)


def write(dsn: str, statement: str, facts: dict[str, Any], changed: dict[str, str]) -> None:
    """The plan of one statement, run and taken back."""
    options = " ".join(f"-c {name}={value}" for name, value in (SETTINGS | changed).items())
    with psycopg.connect(dsn, options=options) as connection:
        found = connection.execute(f"explain (analyze, buffers) {sql(statement)}".encode(), facts).fetchall()
        connection.rollback()
    (HERE / f"{statement}.txt").write_text("\n".join(row[0] for row in found) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home, embedded.start(Path(home), valkey=False) as lease:
        asyncio.run(main(lease.servers.postgres))
