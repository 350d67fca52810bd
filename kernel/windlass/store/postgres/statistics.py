"""What is counted, in PostgreSQL: a row for each node, pool and kind; depths are read up to a cap."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.store.facts import Membership
from windlass.store.postgres.connection import Connections
from windlass.store.statistics import DEPTH_CAP, Backlog, Counts, Depth, PriorityClass, Statistics

NUMBERS = Counts.__struct_fields__[2:]


class PostgresStatistics(Statistics):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def flush(self, node: int, counts: Sequence[Counts]) -> bool:
        facts = {"node": node, "pools": [c.pool for c in counts], "kinds": [c.kind for c in counts]}
        numbers = {name: [getattr(c, name) for c in counts] for name in NUMBERS}
        return bool((await self._db.rows("flush_counts", facts | numbers))[0][0])

    async def merge(self, membership: Membership) -> int:
        facts = {"node": membership.node, "term": membership.term}
        return int((await self._db.rows("merge_counts", facts))[0][0])

    async def counts(self) -> list[Counts]:
        return [Counts(*row) for row in await self._db.rows("read_counts", {})]

    async def backlog(self) -> Backlog:
        rows = await self._db.rows("read_backlog", {"cap": DEPTH_CAP})
        deferred = await self._db.rows("read_deferred_depth", {"cap": DEPTH_CAP})
        depths = tuple(Depth(pool, PriorityClass(lowest), count, age) for pool, lowest, count, age in rows)
        return Backlog(depths, deferred[0][0])
