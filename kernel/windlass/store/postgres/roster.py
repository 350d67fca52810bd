"""Who works, on what, in PostgreSQL."""

from __future__ import annotations

from datetime import datetime

from windlass.store.postgres.connection import Connections, Row
from windlass.store.roster import About, KindEntry, NodeEntry, NodeState, Pause, PoolEntry, Roster, ShareEntry


class PostgresRoster(Roster):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def nodes(self, gone: float) -> list[NodeEntry]:
        return [_node(row) for row in await self._db.rows("list_nodes", {"gone": gone})]

    async def pools(self) -> list[PoolEntry]:
        rows = await self._db.rows("list_pools", {})
        return [PoolEntry(name, slots, in_use, _pause(*pause)) for name, slots, in_use, *pause in rows]

    async def kinds(self) -> list[KindEntry]:
        rows = await self._db.rows("list_kinds", {})
        return [
            KindEntry(name, pool, attempts, pause, _pause(by, reason, at), nodes)
            for name, pool, attempts, pause, by, reason, at, nodes in rows
        ]

    async def about(self) -> About:
        [(now, version)] = await self._db.rows("read_about", {})
        # Packagers add their own words to it.
        return About(now, f"postgres {version.split()[0]}")


def _node(row: Row) -> NodeEntry:
    id_, name, version, state, joined, renewed, expires, is_leader, kinds, running, *columns = row
    shares = tuple(ShareEntry(*share) for share in zip(*columns, strict=True))
    when = (joined, renewed, expires)
    return NodeEntry(id_, name, version, NodeState(state), *when, is_leader, tuple(kinds), running, shares)


def _pause(by: str | None, reason: str, at: datetime | None) -> Pause | None:
    return None if by is None or at is None else Pause(by, reason, at)
