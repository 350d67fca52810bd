"""Agents, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from windlass.core.access import Role
from windlass.store.agents import (
    AgentEntry,
    AgentFacts,
    AgentKind,
    Agents,
    AgentState,
    Holding,
    HostFacts,
    Joined,
    Living,
    present_agent,
    unknown_agent,
)
from windlass.store.facts import Note
from windlass.store.pools import KindFacts
from windlass.store.postgres.connection import Connections, Row, Run
from windlass.store.postgres.parameters import kinds

read_host = msgspec.json.Decoder(HostFacts).decode


class PostgresAgents(Agents):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def join(self, agent: AgentFacts, lease: float, replaces: int = 0) -> Joined | Living:
        async with self._db.transaction() as run:
            [(_, draining)] = await run("lock_agent", {"id": agent.id})
            living = await run("read_agent_epoch", {"id": agent.id})
            if living and living[0][0] != replaces:
                return Living(*living[0])
            if living:
                await run("leave_node", {"node": replaces})
            [(epoch,)] = await run("join_agent", _joining(agent, lease))
            await self._name(run, agent)
            await run("hint", {"hint": self._db.hint(f"agent/{agent.id}")})
        return Joined(epoch, draining)

    async def _name(self, run: Run, agent: AgentFacts) -> None:
        own, others = f"agent:{agent.id}", dict(agent.pools)
        slots = others.pop(own, 0)
        await run("register_pools", {"names": [own], "slots": [slots]})
        if others:
            await run("name_pools", {"names": list(others), "slots": list(others.values())})
        if agent.kinds:
            await run("name_kinds", kinds(agent.kinds))

    async def resume(self, agent: str, epoch: int, lease: float, peer: str, server: str) -> Joined | None:
        facts = {"id": agent, "epoch": epoch, "lease": lease, "peer": peer, "server": server}
        rows = await self._db.rows("resume_agent", facts)
        return Joined(epoch, rows[0][0]) if rows else None

    async def renew(self, epochs: Sequence[int], lease: float) -> dict[int, bool]:
        return dict(await self._db.rows("renew_agents", {"epochs": list(epochs), "lease": lease}))

    async def due(self, pools: Sequence[str]) -> set[str]:
        return {row[0] for row in await self._db.rows("find_due_pools", {"pools": list(pools)})}

    async def holdings(self, epochs: Sequence[int]) -> list[Holding]:
        return [Holding(*row) for row in await self._db.rows("read_holdings", {"epochs": list(epochs)})]

    async def agents(self) -> list[AgentEntry]:
        return [_entry(row) for row in await self._db.rows("list_agents", {})]

    async def drain(self, agent: str, *, draining: bool, note: Note | None = None) -> None:
        facts = {"id": agent, "draining": draining, "hint": self._db.hint(f"agent/{agent}")}
        if not await self._db.rows("drain_agent", facts, note):
            raise unknown_agent(agent)

    async def forget(self, agent: str, note: Note | None = None) -> None:
        facts = {"id": agent, "hint": self._db.hint(f"agent/{agent}")}
        if not await self._db.rows("forget_agent", facts, note):
            is_known = any(entry.id == agent for entry in await self.agents())
            raise present_agent(agent) if is_known else unknown_agent(agent)

    async def kinds(self) -> list[AgentKind]:
        rows = await self._db.rows("list_agent_kinds", {})
        return [AgentKind(KindFacts(*facts), Role(role)) for *facts, role in rows]

    async def host(self, task: int) -> HostFacts | None:
        rows = await self._db.rows("read_host", {"task": task})
        return read_host(rows[0][0]) if rows else None


def _joining(agent: AgentFacts, lease: float) -> dict[str, Any]:
    return {
        "id": agent.id,
        "machine": agent.machine,
        "pid": agent.pid,
        "pid_started": agent.pid_started,
        "version": agent.host.version,
        "kinds": [kind.name for kind in agent.kinds],
        "roles": [int(agent.role_of(kind.name)) for kind in agent.kinds],
        "pools": list(agent.pools),
        "slots": list(agent.pools.values()),
        "host": msgspec.json.encode(agent.host).decode(),
        "peer": agent.peer,
        "server": agent.server,
        "lease": lease,
    }


def _entry(row: Row) -> AgentEntry:
    id_, epoch, state, host, pools, slots, its_kinds, *rest = row
    its_pools = dict(zip(pools, slots, strict=True))
    return AgentEntry(id_, epoch, AgentState(state), read_host(host), its_pools, tuple(its_kinds), *rest)
