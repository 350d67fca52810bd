"""How much may run, and what is paused, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windlass.core.shares import Share, may_fill, next_share, others_may_change
from windlass.errors import KindNotFound, PoolNotFound, WindlassError
from windlass.store.facts import Note
from windlass.store.pools import KindFacts, PoolFacts, Pools
from windlass.store.port import Queue
from windlass.store.postgres import parameters
from windlass.store.postgres.connection import Connections, Row


class PostgresPools(Pools):
    def __init__(self, connections: Connections, queue: Queue) -> None:
        self._db = connections
        self._queue = queue

    async def register(self, pools: Mapping[str, int], kinds: Sequence[KindFacts]) -> None:
        await self._db.rows("register_pools", {"names": list(pools), "slots": list(pools.values())})
        await self._db.rows("register_kinds", parameters.kinds(kinds))

    async def look(self, unsure: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[PoolFacts]:
        facts = {"unsure": list(unsure), "kinds": list(kinds)}
        return [_pool(row) for row in await self._db.rows("look_at_pools", facts)]

    async def share(self, node: int, pool: str, in_use: int, *, hungry: bool) -> int:
        async with self._db.transaction() as run:
            locked = await run("lock_pool", {"pool": pool})
            if not locked or not await run("read_live_node", {"node": node}):
                return 0
            shares = {row[0]: Share(*row) for row in await run("read_shares", {"pool": pool})}
            before = shares[node].slots if node in shares else 0
            told = shares | {node: Share(node, before, in_use, hungry)}
            slots = next_share(node, locked[0][0], list(told.values()))
            told[node] = Share(node, slots, in_use, hungry)
            if shares.get(node) != told[node]:
                facts = {"pool": pool, "node": node, "slots": slots, "in_use": in_use, "hungry": hungry}
                await run("write_share", facts)
                if others_may_change(node, locked[0][0], list(told.values())):
                    await run("hint", {"hint": self._db.hint("pool")})
        return may_fill(node, locked[0][0], list(told.values()))

    async def resize(self, pool: str, slots: int, note: Note | None = None) -> None:
        facts = {"name": pool, "slots": slots, "hint": self._db.hint("pool")}
        rows = await self._db.rows("resize_pool", facts, note)
        _found(rows, PoolNotFound(f"there is no pool {pool!r}", pool=pool))

    async def pause_pool(self, pool: str, by: str, reason: str, note: Note | None = None) -> None:
        await self._pause("pause_pool", pool, by, reason, note, paused=True)

    async def resume_pool(self, pool: str, note: Note | None = None) -> None:
        await self._pause("pause_pool", pool, "", "", note, paused=False)

    async def pause_kind(self, kind: str, by: str, reason: str, note: Note | None = None) -> None:
        await self._pause("pause_kind", kind, by, reason, note, paused=True)

    async def resume_kind(self, kind: str, note: Note | None = None) -> None:
        await self._pause("pause_kind", kind, "", "", note, paused=False)

    async def _pause(self, statement: str, name: str, by: str, reason: str, note: Note | None, *, paused: bool) -> None:
        facts = {"name": name, "by": by, "reason": reason, "paused": paused}
        rows = await self._db.rows(statement, facts | {"hint": self._db.hint("ready")}, note)
        if statement == "pause_pool":
            _found(rows, PoolNotFound(f"there is no pool {name!r}", pool=name))
        _found(rows, KindNotFound(f"no node has ever known kind {name!r}", kind=name))
        if not paused:
            # What is paused holds no slot of a concurrency key: now it may have one.
            await self._queue.release()


def _found(rows: Sequence[Row], error: WindlassError) -> None:
    if not rows:
        raise error


def _pool(row: Row) -> PoolFacts:
    name, slots, paused_by, has_due, *columns = row
    return PoolFacts(name, slots, paused_by, bool(has_due), tuple(Share(*one) for one in zip(*columns, strict=True)))
