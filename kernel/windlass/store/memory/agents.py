"""Agents, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import msgspec

from windlass.core.access import Role
from windlass.core.agents import pool_of
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
from windlass.store.facts import NodeFacts, Note
from windlass.store.memory.world import Known, Member, Pool, World


class MemoryAgents(Agents):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker

    async def join(self, agent: AgentFacts, lease: float, replaces: int = 0) -> Joined | Living:
        world, now = self._world, self._world.now()
        before = world.agents.get(agent.id)
        if before is not None and world.alive(before.epoch):
            if before.epoch != replaces:
                return _living(before, world.nodes[before.epoch])
            world.nodes[replaces].left_at = now
        draining = before is not None and before.draining
        world.last_node = epoch = world.last_node + 1
        names = tuple(kind.name for kind in agent.kinds)
        process = (agent.machine, agent.pid, agent.pid_started)
        facts = NodeFacts(f"agent {agent.id}", *process, names, epoch, agent.host.version, draining)
        expires = now + timedelta(seconds=lease)
        world.nodes[epoch] = Member(facts, now, now, expires, agent=agent)
        created = now if before is None else before.created_at
        world.agents[agent.id] = Known(agent, epoch, created, draining)
        self._name(agent)
        world.say(f"agent/{agent.id}", self._speaker)
        return Joined(epoch, draining)

    def _name(self, agent: AgentFacts) -> None:
        world, own = self._world, pool_of(agent.id)
        for name, slots in agent.pools.items():
            pool = world.pools.setdefault(name, Pool(slots, slots))
            if name == own and pool.configured != slots:
                pool.slots = pool.configured = slots
        for kind in agent.kinds:
            world.known_kinds.setdefault(kind.name, kind)

    async def resume(self, agent: str, epoch: int, lease: float, peer: str, server: str) -> Joined | None:
        world, known = self._world, self._world.agents.get(agent)
        if known is None or known.epoch != epoch or not world.alive(epoch):
            return None
        self._extend(epoch, lease)
        known.facts = msgspec.structs.replace(known.facts, peer=peer, server=server)
        return Joined(epoch, known.draining)

    async def renew(self, epochs: Sequence[int], lease: float) -> dict[int, bool]:
        alive = [epoch for epoch in epochs if self._world.alive(epoch)]
        for epoch in alive:
            self._extend(epoch, lease)
        return {epoch: self._world.nodes[epoch].facts.draining for epoch in alive}

    def _extend(self, epoch: int, lease: float) -> None:
        member, now = self._world.nodes[epoch], self._world.now()
        member.renewed_at, member.expires_at = now, now + timedelta(seconds=lease)

    async def due(self, pools: Sequence[str]) -> set[str]:
        return {place.pool for place in self._world.ready.values() if place.pool in pools}

    async def holdings(self, epochs: Sequence[int]) -> list[Holding]:
        held = ((id_, one) for id_, one in sorted(self._world.running.items()) if one.node in epochs)
        return [
            Holding(one.node, id_, one.place.pool, one.started_at is not None, one.interrupt_by, one.interrupt_reason)
            for id_, one in held
            if one.started_at is None or one.interrupted
        ]

    async def agents(self) -> list[AgentEntry]:
        return [self._entry(id_, known) for id_, known in sorted(self._world.agents.items())]

    async def drain(self, agent: str, *, draining: bool, note: Note | None = None) -> None:
        world, known = self._world, self._world.agents.get(agent)
        if known is None:
            raise unknown_agent(agent)
        known.draining = draining
        member = world.nodes[known.epoch]
        member.facts = msgspec.structs.replace(member.facts, draining=draining)
        world.note(note)
        world.say(f"agent/{agent}", self._speaker)

    async def forget(self, agent: str, note: Note | None = None) -> None:
        world, known = self._world, self._world.agents.get(agent)
        if known is None:
            raise unknown_agent(agent)
        if world.alive(known.epoch) or any(held.node == known.epoch for held in world.running.values()):
            raise present_agent(agent)
        del world.agents[agent]
        world.pools.pop(pool_of(agent), None)
        world.note(note)
        world.say(f"agent/{agent}", self._speaker)

    async def kinds(self) -> list[AgentKind]:
        roles: dict[str, Role] = {}
        for known in self._world.agents.values():
            for kind in known.facts.kinds:
                roles[kind.name] = max(roles.get(kind.name, Role.VIEWER), known.facts.role_of(kind.name))
        return [AgentKind(self._world.known_kinds[name], role) for name, role in sorted(roles.items())]

    async def host(self, task: int) -> HostFacts | None:
        held, over = self._world.running.get(task), self._world.over.get(task)
        node = held.node if held else over.node if over else None
        member = None if node is None else self._world.nodes.get(node)
        return member.agent.host if member is not None and member.agent is not None else None

    def _entry(self, id_: str, known: Known) -> AgentEntry:
        world, facts, member = self._world, known.facts, self._world.nodes[known.epoch]
        return AgentEntry(
            id=id_,
            epoch=known.epoch,
            state=state_of(world, known),
            host=facts.host,
            pools=facts.pools,
            kinds=tuple(kind.name for kind in facts.kinds),
            created_at=known.created_at,
            joined_at=member.joined_at,
            seen_at=member.renewed_at,
            expires_at=member.expires_at,
            peer=facts.peer,
            server=facts.server,
            running=sum(held.node == known.epoch for held in world.running.values()),
        )


def state_of(world: World, known: Known) -> AgentState:
    if not world.alive(known.epoch):
        return AgentState.AWAY
    return AgentState.DRAINING if world.nodes[known.epoch].facts.draining else AgentState.LIVE


def _living(known: Known, member: Member) -> Living:
    facts = known.facts
    when = (member.joined_at, member.renewed_at)
    return Living(known.epoch, facts.machine, facts.pid, facts.pid_started, *when, facts.peer)
