"""How nodes live and die, in memory."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Beat, NodeFacts
from windlass.store.memory.world import Held, Leader, Member, Over, Tried, World
from windlass.store.port import Cluster

USUAL_LIMIT = 10


class MemoryCluster(Cluster):
    def __init__(self, world: World) -> None:
        self._world = world

    async def join(self, node: NodeFacts, lease: float) -> int:
        id_ = len(self._world.nodes) + 1
        self._world.nodes[id_] = Member(msgspec.structs.replace(node, id=id_), self._in(lease))
        return id_

    def renew(self, node: int, lease: float) -> bool:
        if not self._world.alive(node):
            return False
        self._world.nodes[node].expires_at = self._in(lease)
        return True

    async def leave(self, node: int) -> None:
        if member := self._world.nodes.get(node):
            member.left = True

    async def beat(self, node: int, lease: float) -> Beat:
        world = self._world
        leader = world.leader
        if world.alive(node):
            if leader is None:
                world.leader = Leader(node, 1, self._in(lease))
            elif leader.node == node or leader.expires_at <= world.now() or not world.alive(leader.node):
                world.leader = Leader(node, leader.term + (leader.node != node), self._in(lease))
        leader = world.leader if world.alive(node) else None
        term = leader.term if leader is not None and leader.node == node else None
        machine = world.nodes[node].facts.machine if node in world.nodes else None
        others = (m.facts for m in world.nodes.values() if not m.left and m.facts.id != node)
        return Beat(term, tuple(facts for facts in others if facts.machine == machine))

    async def recover(self, dead: int | None = None) -> int:
        world = self._world
        lost = [h for h in world.running.values() if h.node == dead or not world.alive(h.node)]
        if dead in world.nodes:
            world.nodes[dead].left = True
        for held in lost:
            del world.running[held.place.id]
            self._take_back(held)
        return len(lost)

    def _in(self, seconds: float) -> datetime:
        return self._world.now() + timedelta(seconds=seconds)

    def _take_back(self, held: Held) -> None:
        world, place = self._world, held.place
        limit = world.tasks[place.id][0].attempt_limit
        limit = USUAL_LIMIT if limit is None else limit
        lost = f"node {world.node_name(held.node) or '?'} was lost"
        counted = held.started_at is not None
        last = counted and place.attempt - place.uncounted >= limit
        if held.interrupted or last:
            state = State.CANCELED if held.interrupted else State.FAILED
            verdict = Verdict.CANCELED if held.interrupted else Verdict.LOST
            message = (
                f"{held.interrupt_words()}; its node was lost"
                if held.interrupted
                else f"{lost}, and no attempts are left"
            )
            world.over[place.id] = Over(
                state, place.attempt, place.uncounted, verdict, held.node, held.started_at, world.now(), message
            )
            return
        if counted:
            tried = Tried(place.attempt, Verdict.LOST, held.node, held.started_at, world.now(), lost, world.now())
            world.tried[place.id].append(tried)
        world.put_back(place, counted=counted)
