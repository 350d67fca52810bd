"""What keeps a PostgreSQL store from growing for ever."""

from __future__ import annotations

import time
from typing import Any

from psycopg import sql

from windlass.store.facts import Membership
from windlass.store.postgres.connection import Connections
from windlass.store.upkeep import Pruned, Retention, Roll, Upkeep

PROOF_SECONDS = 300.0
AT_ONCE = 1_000
LOOK_AT_ONCE = 20_000
FOR_EVER = 1e11
"""Seconds; longer than an interval can say is as good as this."""
LONGEST_NAPTIME = 15.0
LONGEST_REST = 60.0
FIRST_REST = 5.0


class PostgresUpkeep(Upkeep):
    def __init__(self, connections: Connections) -> None:
        self._db = connections
        self._kept: dict[int, int] = {}
        self._rests: dict[str, tuple[float, float]] = {}

    async def roll(self, membership: Membership, period: float) -> Roll:
        facts = _facts(membership, period=period)
        did = (await self._db.rows("roll_partitions", facts))[0][0]
        if did == "full":
            if not (await self._db.rows("fence_last", facts))[0][0]:
                return Roll.BUSY
            async with self._db.transaction(PROOF_SECONDS) as run:
                await run("be_patient", {})
                await run("prove_fence", {})
            did = (await self._db.rows("roll_partitions", facts))[0][0]
        return Roll.BUSY if did == "full" else Roll(did)

    async def drop(self, membership: Membership, longest: float) -> int:
        dropped = 0
        for lower, upper in await self._db.rows("list_closed_sets", {}):
            if await self._is_wanted(lower, upper, min(longest, FOR_EVER)):
                continue
            did = (await self._db.rows("drop_set", _facts(membership, lower=lower)))[0][0]
            dropped += did == "dropped"
        return dropped

    async def _is_wanted(self, lower: int, upper: int, longest: float) -> bool:
        # From where the last look stopped: that task is the likeliest to be still there.
        first = self._kept.pop(lower, lower)
        start = first
        while True:
            facts = {"first": first, "upper": upper, "longest": longest, "limit": LOOK_AT_ONCE}
            kept, last, seen = (await self._db.rows("find_kept", facts))[0]
            if kept is not None:
                self._kept[lower] = kept
                return True
            if seen < LOOK_AT_ONCE:
                # Those before were looked at earlier, and what has ended stays so; a younger look may ask for more.
                return start > lower and await self._is_wanted(lower, upper, longest)
            first = last + 1

    async def prune(self, membership: Membership, retention: Retention, after: int, limit: int) -> Pruned:
        facts = _facts(membership, after=after, limit=limit, longest=min(retention.longest, FOR_EVER))
        facts |= {"states": list(retention.states), "state_seconds": _seconds(retention.states.values())}
        facts |= {"kinds": list(retention.kinds), "kind_seconds": _seconds(retention.kinds.values())}
        last, seen, over, _ = (await self._db.rows("prune_page", facts))[0]
        return Pruned(last if seen == limit else None, over)

    async def expire(self, membership: Membership, requests: float, nodes: float) -> int:
        gone = 0
        for statement, age in (("expire_requests", requests), ("expire_nodes", nodes)):
            facts = _facts(membership, age=min(age, FOR_EVER), limit=AT_ONCE)
            while count := (await self._db.rows(statement, facts))[0][0]:
                gone += count
        return gone

    async def vacuum(self, membership: Membership) -> list[str]:
        tables = [row[0] for row in await self._db.rows("list_dead", _facts(membership, naptime=LONGEST_NAPTIME))]
        now = time.monotonic()
        # Under a held snapshot the dead stay, however often one looks: each look in vain doubles the rest.
        self._rests = {table: rest for table, rest in self._rests.items() if table in tables}
        due = [table for table in tables if self._rests.get(table, (now, 0.0))[0] <= now]
        for table in due:
            await self._db.alone(sql.SQL("vacuum (skip_locked) windlass.{}").format(sql.Identifier(table)))
            rest = min(2 * self._rests[table][1], LONGEST_REST) if table in self._rests else FIRST_REST
            self._rests[table] = (time.monotonic() + rest, rest)
        return due


def _facts(membership: Membership, **more: Any) -> dict[str, Any]:
    return {"node": membership.node, "term": membership.term} | more


def _seconds(given: Any) -> list[float]:
    return [min(seconds, FOR_EVER) for seconds in given]
