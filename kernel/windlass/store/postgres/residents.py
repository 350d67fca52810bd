"""Residents, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from windlass.store.facts import Membership, Receipt
from windlass.store.postgres.connection import Connections, Overtaken, Row
from windlass.store.postgres.queue import PostgresQueue
from windlass.store.residents import Residents, ResidentTask


class PostgresResidents(Residents):
    def __init__(self, connections: Connections, queue: PostgresQueue) -> None:
        self._db = connections
        self._queue = queue

    async def keep(self, membership: Membership, residents: Sequence[ResidentTask]) -> list[Receipt]:
        facts = {"kinds": [each.task.kind for each in residents], "keys": [each.key for each in residents]}
        rows = await self._db.rows("read_idle_residents", facts)
        idle = [residents[place - 1] for place, _ in rows]
        if not idle:
            return []
        try:
            async with self._db.transaction() as run:
                receipts = await self._queue.enqueue_within(run, [each.task for each in idle])
                if len(await run("name_residents", _named(membership, idle, rows, receipts))) != len(idle):
                    raise Overtaken
        except Overtaken:
            return []
        await self._queue.release_if_blocked([each.task for each in idle])
        return receipts


def _named(
    membership: Membership, idle: Sequence[ResidentTask], rows: Sequence[Row], receipts: Sequence[Receipt]
) -> dict[str, Any]:
    return {
        "node": membership.node,
        "term": membership.term,
        "kinds": [each.task.kind for each in idle],
        "keys": [each.key for each in idle],
        "tasks": [receipt.task for receipt in receipts],
        "over": [task for _, task in rows if task is not None],
    }
