"""How nodes live and die, in PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import psycopg

from windlass.core.poison import USUAL_LIMIT, WINDOW_HOURS
from windlass.store.facts import Beat, NodeFacts, Note
from windlass.store.port import Cluster
from windlass.store.postgres.connection import (
    ANSWER_SECONDS,
    Connections,
    Row,
    break_off,
    perform_blocking,
    translated,
)
from windlass.store.roster import refusal

RECOVER_AT_ONCE = 1_000
SHORTEST_PATIENCE = 0.5
JOINED_WITH = ("name", "machine", "pid", "pid_started", "version", "draining")


class PostgresCluster(Cluster):
    def __init__(self, connections: Connections) -> None:
        self._db = connections
        self._heart: psycopg.Connection[Row] | None = None
        self._machines: dict[int, str] = {}

    async def join(self, node: NodeFacts, lease: float) -> int:
        facts = {name: getattr(node, name) for name in JOINED_WITH} | {"kinds": list(node.kinds), "lease": lease}
        rows = await self._db.rows("join_node", facts)
        self._machines[rows[0][0]] = node.machine
        return int(rows[0][0])

    def renew(self, node: int, lease: float) -> bool:
        with translated():
            try:
                if self._heart is None or self._heart.closed:
                    address = self._db.address
                    self._heart = psycopg.connect(address.dsn, **address.dialling())
                # A silent link must be given up while the lease can still be kept over a new one.
                patience = min(ANSWER_SECONDS, max(lease / 4, SHORTEST_PATIENCE))
                alarm = threading.Timer(patience, break_off, (self._heart,))
                alarm.start()
                try:
                    facts = {"node": node, "lease": lease}
                    return bool(perform_blocking(self._heart, "renew_node", facts, pooled=self._db.address.pooled))
                finally:
                    alarm.cancel()
            except psycopg.Error:
                self.stop_renewing()
                raise

    def stop_renewing(self) -> None:
        """Close the heartbeat's own connection; called from its thread, or after it has ended."""
        if self._heart is not None:
            self._heart.close()
            self._heart = None

    async def leave(self, node: int) -> None:
        await self._db.rows("leave_node", {"node": node})

    async def beat(self, node: int, lease: float) -> Beat:
        # One transaction: an idle node's beat is a good part of all it asks for.
        async with self._db.transaction() as run:
            term = await run("lead", {"node": node, "lease": lease})
            rows = await run("read_neighbours", {"node": node, "machine": self._machines.get(node, "")})
        present = [_facts(row) for row in rows]
        draining = any(facts.draining for facts in present if facts.id == node)
        neighbours = tuple(facts for facts in present if facts.id != node)
        return Beat(term[0][0] if term else None, neighbours, draining)

    async def drain(self, node: int, *, draining: bool, note: Note | None = None) -> None:
        facts = {"node": node, "draining": draining, "hint": self._db.hint(f"node/{node}")}
        if not await self._db.rows("drain_node", facts, note):
            raise refusal(node, is_known=bool(await self._db.rows("find_node", {"node": node})))

    async def recover(self, dead: int | None = None, crash_limits: Mapping[str, int] | None = None) -> int:
        limits = crash_limits or {}
        facts: dict[str, Any] = {"dead": dead, "limit": RECOVER_AT_ONCE}
        facts |= {"kinds": list(limits), "crash_limits": list(limits.values())}
        facts |= {"usual_limit": USUAL_LIMIT, "window": WINDOW_HOURS}
        total = 0
        while True:
            taken: int = (await self._db.rows("recover_tasks", facts))[0][0]
            total += taken
            if taken < RECOVER_AT_ONCE:
                return total


def _facts(row: Row) -> NodeFacts:
    id_, name, machine, pid, started, kinds, version, draining = row
    return NodeFacts(name, machine, pid, started, tuple(kinds), id_, version, draining)
