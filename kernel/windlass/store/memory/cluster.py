"""How nodes live and die, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from windlass.core.lifecycle import State, Verdict
from windlass.core.poison import USUAL_LIMIT, WINDOW_HOURS, crashes, is_poison
from windlass.core.retry import RetryPolicy
from windlass.store.facts import Beat, NodeFacts, Note
from windlass.store.memory.world import Held, Leader, Member, Over, Tried, World
from windlass.store.port import Cluster
from windlass.store.roster import refusal

USUAL_ATTEMPTS = RetryPolicy().attempts


class MemoryCluster(Cluster):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker

    async def join(self, node: NodeFacts, lease: float) -> int:
        self._world.last_node = id_ = self._world.last_node + 1
        now = self._world.now()
        self._world.nodes[id_] = Member(msgspec.structs.replace(node, id=id_), now, now, self._in(lease))
        return id_

    def renew(self, node: int, lease: float) -> bool:
        if not self._world.alive(node):
            return False
        member = self._world.nodes[node]
        member.renewed_at, member.expires_at = self._world.now(), self._in(lease)
        return True

    async def leave(self, node: int) -> None:
        member = self._world.nodes.get(node)
        if member is not None and not member.left:
            member.left_at = self._world.now()

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
        me = world.nodes.get(node)
        others = (m.facts for m in world.nodes.values() if not m.left and m.facts.id != node)
        neighbours = tuple(facts for facts in others if me is not None and facts.machine == me.facts.machine)
        return Beat(term, neighbours, me is not None and not me.left and me.facts.draining)

    async def drain(self, node: int, *, draining: bool, note: Note | None = None) -> None:
        world = self._world
        if not world.alive(node):
            raise refusal(node, is_known=node in world.nodes)
        member = world.nodes[node]
        member.facts = msgspec.structs.replace(member.facts, draining=draining)
        world.note(note)
        world.say(f"node/{node}", self._speaker)

    async def recover(self, dead: int | None = None, crash_limits: Mapping[str, int] | None = None) -> int:
        world = self._world
        lost = [h for h in world.running.values() if h.node == dead or not world.alive(h.node)]
        if dead in world.nodes and not (gone := world.nodes[dead]).left:
            gone.left_at, gone.is_lost = world.now(), True
        for held in lost:
            del world.running[held.place.id]
            self._take_back(held, (crash_limits or {}).get(held.place.kind, USUAL_LIMIT))
        return len(lost)

    def _in(self, seconds: float) -> datetime:
        return self._world.now() + timedelta(seconds=seconds)

    def _take_back(self, held: Held, crash_limit: int) -> None:
        world, place = self._world, held.place
        lost = f"{self._words(held.node)} was lost"
        counted = held.started_at is not None
        chain = self._crashes_before(place.id)
        if counted:
            chain = crashes(chain, progressed=held.progress is not None)
        if over := self._over(held, chain, crash_limit):
            state, verdict, message = over
            world.over[place.id] = Over.of(place, state, verdict, held.node, held.started_at, world.now(), message)
            return
        if not counted:
            lost += " before it told of a start"
        now, started = world.now(), held.started_at
        world.tried[place.id].append(Tried(place.attempt, Verdict.LOST, held.node, started, now, lost, now, chain))
        world.put_back(place, counted=counted)

    def _over(self, held: Held, chain: int, crash_limit: int) -> tuple[State, Verdict, str] | None:
        place, name = held.place, self._words(held.node)
        if held.interrupted:
            return State.CANCELED, Verdict.CANCELED, f"{held.interrupt_words()}; its node was lost"
        if held.started_at is not None and is_poison(chain, crash_limit):
            message = f"poison: its worker died {chain} times without progress; {name} was the last"
            return State.FAILED, Verdict.LOST, message
        limit = self._world.tasks[place.id][0].attempt_limit or USUAL_ATTEMPTS
        if held.started_at is not None and place.attempt - place.uncounted >= limit:
            return State.FAILED, Verdict.LOST, f"{name} was lost, and no attempts are left"
        return None

    def _words(self, node: int) -> str:
        member = self._world.nodes.get(node)
        name = "?" if member is None else member.facts.name
        return name if member is not None and member.agent is not None else f"node {name}"

    def _crashes_before(self, task: int) -> int:
        oldest = self._world.now() - timedelta(hours=WINDOW_HOURS)
        lost = [t for t in self._world.tried.get(task, ()) if t.verdict is Verdict.LOST and t.ended_at > oldest]
        return lost[-1].crashes if lost else 0
