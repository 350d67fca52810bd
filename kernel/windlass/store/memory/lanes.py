"""Lanes, in memory."""

from __future__ import annotations

from collections.abc import Collection

from windlass.errors import AttemptSuperseded
from windlass.store.lanes import Entrant, LaneFacts, Lanes, Standing, Turn
from windlass.store.memory.world import Lane, Ticket, World


class MemoryLanes(Lanes):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker

    async def enter(self, entrant: Entrant) -> Turn:
        lane = self._world.lanes.setdefault(entrant.lane, Lane())
        lane.waiting = [ticket for ticket in lane.waiting if self._runs(ticket.entrant)]
        if not self._runs(entrant):
            raise AttemptSuperseded(f"attempt {entrant.attempt} of task {entrant.task} is superseded")
        if self._holder(lane) == entrant:
            return Turn(lane.fence, 0, entrant.task)
        if entrant not in (line := [ticket.entrant for ticket in lane.waiting]):
            lane.waiting.append(Ticket(entrant, self._world.now()))
            line.append(entrant)
        holder, position = self._holder(lane), line.index(entrant) + 1
        if holder is not None or position > 1:
            return Turn(None, position, None if holder is None else holder.task)
        del lane.waiting[0]
        lane.holder, lane.since, lane.fence = entrant, self._world.now(), lane.fence + 1
        return Turn(lane.fence, 0, entrant.task)

    async def leave(self, entrant: Entrant) -> None:
        lane = self._world.lanes.get(entrant.lane)
        if lane is None:
            return
        left = [ticket for ticket in lane.waiting if ticket.entrant != entrant]
        if lane.holder == entrant:
            lane.holder = lane.since = None
        elif len(left) == len(lane.waiting):
            return
        lane.waiting = left
        self._world.say("lane", self._speaker)

    async def holds(self, entrant: Entrant, fence: int) -> bool:
        lane = self._world.lanes.get(entrant.lane)
        return lane is not None and lane.fence == fence and self._holder(lane) == entrant

    async def called(self, waiting: Collection[Entrant]) -> set[Entrant]:
        return {entrant for entrant in waiting if self._is_called(entrant)}

    async def lanes(self, after: str = "", limit: int | None = None) -> list[LaneFacts]:
        behind = sorted(name for name in self._world.lanes if name > after)
        return [self._facts(name, self._world.lanes[name]) for name in behind[:limit]]

    def _is_called(self, entrant: Entrant) -> bool:
        lane = self._world.lanes.get(entrant.lane, Lane())
        line = [ticket.entrant for ticket in lane.waiting if self._runs(ticket.entrant)]
        if entrant not in line:
            return True
        return self._holder(lane) is None and line[0] == entrant

    def _holder(self, lane: Lane) -> Entrant | None:
        return lane.holder if lane.holder is not None and self._runs(lane.holder) else None

    def _runs(self, entrant: Entrant) -> bool:
        held = self._world.running.get(entrant.task)
        return held is not None and (held.node, held.place.attempt) == (entrant.node, entrant.attempt)

    def _facts(self, name: str, lane: Lane) -> LaneFacts:
        holder = self._holder(lane)
        inside = None if holder is None or lane.since is None else self._standing(Ticket(holder, lane.since))
        waiters = tuple(self._standing(ticket) for ticket in lane.waiting if self._runs(ticket.entrant))
        return LaneFacts(name, lane.fence, inside, waiters)

    def _standing(self, ticket: Ticket) -> Standing:
        who = ticket.entrant
        return Standing(who.task, who.attempt, self._world.node_name(who.node), ticket.at)
