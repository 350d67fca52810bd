"""How tasks move, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from windlass.core.lifecycle import FINAL, State, Verdict
from windlass.errors import RequestIdReused, TaskNotFound, TaskOver
from windlass.store.facts import (
    Asked,
    Claimed,
    Ended,
    EventFacts,
    Interrupted,
    Membership,
    NewTask,
    Receipt,
    Said,
    Settled,
)
from windlass.store.memory.world import Held, Over, Place, Tried, World
from windlass.store.port import Queue

STATE, STAGE, STEP, PROGRESS, OUTPUT = 1, 2, 3, 4, 5


class MemoryQueue(Queue):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        for index, task in enumerate(tasks):
            if refusal := self._refusal(task, tasks[:index]):
                raise refusal
        return [self._store(task) for task in tasks]

    async def enqueue_each(self, tasks: Sequence[NewTask]) -> list[Receipt | RequestIdReused]:
        return [self._refusal(task) or self._store(task) for task in tasks]

    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        world = self._world
        if not world.alive(node):
            return []
        fits = (p for p in world.ready.values() if p.pool == pool and p.kind in kinds and p.next_try_at <= world.now())
        claimed = []
        for place in sorted(fits, key=lambda p: p.order)[:limit]:
            del world.ready[place.id]
            world.running[place.id] = Held(replace(place, attempt=place.attempt + 1), node)
            claimed.append(self._claimed(world.running[place.id].place))
        return claimed

    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        mine = (h.place for h in self._world.running.values() if h.node == node and h.started_at is None)
        return [self._claimed(place) for place in mine if place.pool == pool and place.id not in known]

    async def say(self, node: int, said: Sequence[Said]) -> set[int]:
        accepted = set()
        for words in said:
            if held := self._held(node, words.task, words.attempt):
                self._hear(held, words)
                accepted.add(words.task)
        return accepted

    async def finish(self, node: int, ended: Sequence[Ended]) -> list[Settled]:
        settled = []
        for end in ended:
            if held := self._held(node, end.task, end.attempt):
                del self._world.running[end.task]
                settled.append(Settled(end.task, self._settle(held, end)))
        return settled

    async def interrupt(self, ask: Asked) -> Interrupted:
        world = self._world
        if ask.task not in world.tasks:
            raise TaskNotFound(f"there is no task {ask.task}", task=ask.task)
        if over := world.over.get(ask.task):
            raise TaskOver(
                f"task {ask.task} has already ended: {over.state.name}", task=ask.task, state=over.state.name
            )
        if held := world.running.get(ask.task):
            if not held.interrupted:
                held.interrupt_by, held.interrupt_reason = ask.by, ask.reason
            world.say("interrupt", self._speaker)
            return Interrupted(State.CANCELLING, held.node)
        place = world.ready.pop(ask.task, None) or world.deferred.pop(ask.task)
        message = f"interrupted by {ask.by}" + (f": {ask.reason}" if ask.reason else "")
        world.over[ask.task] = Over(
            State.CANCELED, place.attempt, place.uncounted, Verdict.CANCELED, None, None, world.now(), message
        )
        return Interrupted(State.CANCELED)

    async def interrupts(self, node: int) -> list[Asked]:
        held = (h for h in self._world.running.values() if h.node == node)
        return [Asked(h.place.id, h.interrupt_by, h.interrupt_reason) for h in held if h.interrupt_by is not None]

    async def promote(self, membership: Membership, limit: int) -> float | None:
        world = self._world
        if not world.leads(membership.node, membership.term):
            return None
        due = sorted((p for p in world.deferred.values() if p.next_try_at <= world.now()), key=lambda p: p.next_try_at)
        for place in due[:limit]:
            world.ready[place.id] = world.deferred.pop(place.id)
        if due:
            world.say("ready", self._speaker)
        if len(due) >= limit:
            return 0.0
        later = [place.next_try_at for place in world.deferred.values()]
        return (min(later) - world.now()).total_seconds() if later else None

    def _refusal(self, task: NewTask, before: Sequence[NewTask] = ()) -> RequestIdReused | None:
        known = [self._world.requests.get(task.request_id, (task.body_hash, 0))] if task.request_id else []
        known += [(other.body_hash, 0) for other in before if task.request_id and other.request_id == task.request_id]
        for body_hash, first in known:
            if body_hash != task.body_hash:
                message = f"request_id {task.request_id} was used before with another body"
                return RequestIdReused(message, field="request_id", task=first)
        return None

    def _store(self, task: NewTask) -> Receipt:
        world = self._world
        if task.request_id in world.requests:
            return Receipt(world.requests[task.request_id][1], repeated=True)
        world.last_id = id_ = world.last_id + 1
        if task.request_id:
            world.requests[task.request_id] = (task.body_hash, id_)
        world.tasks[id_] = (task, world.now())
        due = world.now() + timedelta(seconds=max(0.0, task.delay))
        place = Place(id_, task.kind, task.pool, task.priority, due, 0, 0, task.origin)
        (world.deferred if task.delay > 0 else world.ready)[id_] = place
        world.say("later" if task.delay > 0 else "ready", self._speaker)
        return Receipt(id_)

    def _claimed(self, place: Place) -> Claimed:
        task, created_at = self._world.tasks[place.id]
        return Claimed(
            id=place.id,
            attempt=place.attempt,
            uncounted=place.uncounted,
            kind=task.kind,
            priority=task.priority,
            next_try_at=place.next_try_at,
            payload=task.payload.encode(),
            title=task.title,
            trigger=task.trigger,
            initiator=task.initiator,
            labels=task.labels.encode(),
            created_at=created_at,
            attempt_limit=task.attempt_limit,
            retry_pause=task.retry_pause,
        )

    def _held(self, node: int, task: int, attempt: int) -> Held | None:
        held = self._world.running.get(task)
        return held if held and held.node == node and held.place.attempt == attempt else None

    def _hear(self, held: Held, words: Said) -> None:
        ago, events = self._world.ago, self._world.events[words.task]
        held.started_at = held.started_at or ago(words.started_age)
        held.stage = held.stage if words.stage is None else words.stage
        if said := words.progress:
            held.progress = EventFacts(said.sequence, ago(said.age), PROGRESS, current=said.current, total=said.total)
        for line in words.lines:
            state = State.CANCELLING if line.type == STATE else None
            data = None if line.data is None else line.data.encode()
            events.setdefault(
                line.sequence, EventFacts(line.sequence, ago(line.age), line.type, state, line.text, data)
            )
        for chunk in words.chunks:
            output = EventFacts(
                chunk.sequence, ago(chunk.age), OUTPUT, data=chunk.data, stream=chunk.stream, dropped=chunk.dropped
            )
            events.setdefault(chunk.sequence, output)

    def _settle(self, held: Held, end: Ended) -> Verdict:
        world, place = self._world, held.place
        verdict = Verdict.CANCELED if held.interrupted else end.verdict
        message = "; ".join(filter(None, (held.interrupt_words() if held.interrupted else "", end.message)))
        began = held.started_at or (None if end.started_age is None else world.ago(end.started_age))
        ended = world.ago(end.ended_age)
        if verdict in FINAL:
            result = None if end.result is None else end.result.encode()
            state = FINAL[verdict]
            world.over[place.id] = Over(
                state, place.attempt, place.uncounted, verdict, held.node, began, ended, message, result
            )
            return verdict
        due = world.now() + timedelta(seconds=end.pause) if verdict is Verdict.RETRY else place.next_try_at
        if verdict is Verdict.RETRY or began is not None:
            world.tried[place.id].append(Tried(place.attempt, verdict, held.node, began, ended, message, due))
        if verdict is Verdict.RETRY and end.pause > 0:
            world.deferred[place.id] = replace(place, next_try_at=due)
        else:
            world.put_back(replace(place, next_try_at=due), counted=verdict is Verdict.RETRY)
        return verdict
