"""How tasks move, in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from windlass.core.lifecycle import FINAL, State, Verdict
from windlass.errors import AttemptSuperseded, TaskInterrupted, TaskNotFound, TaskOver
from windlass.store.facts import (
    Asked,
    Claimed,
    Ended,
    EventFacts,
    Interrupted,
    JoinedFacts,
    Membership,
    NewTask,
    Note,
    Parent,
    Promoted,
    Receipt,
    Said,
    Settled,
)
from windlass.store.memory.gates import Gates
from windlass.store.memory.intake import Intake
from windlass.store.memory.world import SLOT, Held, Over, Place, Tried, World
from windlass.store.port import Answer, Queue

A = TypeVar("A")
STATE, STAGE, STEP, PROGRESS, OUTPUT = 1, 2, 3, 4, 5


class MemoryQueue(Queue):
    def __init__(self, world: World, speaker: object) -> None:
        self._world = world
        self._speaker = speaker
        self._gates = Gates(world)
        self._intake = Intake(world)

    async def enqueue(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        for index, task in enumerate(tasks):
            if refusal := self._intake.refusal(task, tasks[:index]):
                raise refusal
        for task in tasks:
            self._intake.check(task)
        return self._stored(tasks, [self._intake.store(task) for task in tasks])

    async def enqueue_each(self, tasks: Sequence[NewTask]) -> list[Answer]:
        for task in tasks:
            self._intake.check(task)
        return self._stored(tasks, [self._intake.refusal(task) or self._intake.store(task) for task in tasks])

    async def enqueue_children(self, parent: Parent, children: Sequence[NewTask]) -> list[Receipt]:
        held = self._held(parent.node, parent.task, parent.attempt)
        if held is None:
            raise AttemptSuperseded(f"attempt {parent.attempt} of task {parent.task} is superseded")
        if held.interrupted:
            raise TaskInterrupted(f"task {parent.task} is being interrupted: it makes no children")
        return await self.enqueue(children)

    def _stored(self, tasks: Sequence[NewTask], answers: list[A]) -> list[A]:
        for task, answer in zip(tasks, answers, strict=True):
            if isinstance(answer, Receipt) and not answer.repeated:
                self._world.note(task.note)
            self._world.say("later" if task.delay > 0 else "ready", self._speaker)
        if any(task.slot_key is not None or not task.stands_alone for task in tasks):
            self._gates.release()
        return answers

    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        world = self._world
        if not world.alive(node) or (pool in world.pools and world.pools[pool].paused_by is not None):
            return []
        claimed: list[Claimed] = []
        parked = 0
        for place in sorted(filter(lambda place: self._fits(place, pool, kinds), world.ready.values()), key=_order):
            if len(claimed) == limit:
                break
            del world.ready[place.id]
            slot = self._gates.free_slot(place)
            if place.slot_key is not None and slot is None:
                world.blocked[place.id] = replace(place, waits=SLOT)
                parked += 1
                continue
            held = world.running[place.id] = Held(replace(place, attempt=place.attempt + 1), node, slot)
            claimed.append(self._claimed(held.place))
        if parked:
            self._gates.release()
        return claimed

    def _fits(self, place: Place, pool: str, kinds: Sequence[str]) -> bool:
        world = self._world
        started_in_time = place.start_by is None or place.start_by > world.now()
        is_open = place.pool == pool and place.kind in kinds and place.kind not in world.paused_kinds
        return is_open and started_in_time and place.next_try_at <= world.now()

    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        mine = (h.place for h in self._world.running.values() if h.node == node and h.started_at is None)
        return [self._claimed(place) for place in mine if place.pool == pool and place.id not in known]

    async def joined(self, tasks: Sequence[int]) -> dict[int, list[JoinedFacts]]:
        return {task: list(self._world.joined[task]) for task in tasks if task in self._world.joined}

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
                place = held.place
                opens = place.slot_key is not None or place.coalesce_key is not None or self._gates.is_awaited(end.task)
                settled.append(Settled(end.task, self._settle(held, end), opens))
        return settled

    async def interrupt(self, ask: Asked, note: Note | None = None) -> Interrupted:
        world = self._world
        self._check_in_queue(ask.task)
        world.note(note)
        if held := world.running.get(ask.task):
            if not held.interrupted:
                held.interrupt_by, held.interrupt_reason, held.interrupt_at = ask.by, ask.reason, world.now()
            world.say("interrupt", self._speaker)
            return Interrupted(State.CANCELLING, held.node)
        message = f"interrupted by {ask.by}" + (f": {ask.reason}" if ask.reason else "")
        self._gates.end(ask.task, State.CANCELED, message)
        return Interrupted(State.CANCELED)

    async def interrupts(self, node: int) -> list[Asked]:
        held = (h for h in self._world.running.values() if h.node == node)
        return [Asked(h.place.id, h.interrupt_by, h.interrupt_reason) for h in held if h.interrupt_by is not None]

    async def reprioritize(self, task: int, priority: int, note: Note | None = None) -> State:
        self._check_in_queue(task)
        self._world.note(note)
        if held := self._world.running.get(task):
            held.place.priority = priority
            return State.CANCELLING if held.interrupted else State.RUNNING
        place = self._world.place_of(task)
        assert place is not None
        place[task].priority = priority
        return State.PENDING

    async def promote(self, membership: Membership, limit: int) -> Promoted | None:
        world = self._world
        if not world.leads(membership.node, membership.term):
            return None
        due = sorted((p for p in world.deferred.values() if p.next_try_at <= world.now()), key=lambda p: p.next_try_at)
        for place in due[:limit]:
            world.ready[place.id] = world.deferred.pop(place.id)
        if due:
            world.say("ready", self._speaker)
        later = [place.next_try_at for place in world.deferred.values()]
        next_due = (min(later) - world.now()).total_seconds() if later else None
        has_late = any(p.start_by is not None and p.start_by <= world.now() for p in world.waiting)
        moved = len(due[:limit])
        return Promoted(moved, 0.0 if len(due) >= limit else next_due, bool(world.blocked), has_late)

    async def release(self, limit: int = 1_000) -> int:
        moved = self._gates.release(limit)
        if moved:
            self._world.say("ready", self._speaker)
        return moved

    async def expire(self, membership: Membership, limit: int) -> int:
        world = self._world
        if not world.leads(membership.node, membership.term):
            return 0
        late = [p.id for p in world.waiting if p.start_by is not None and p.start_by <= world.now()][:limit]
        for task in late:
            self._gates.end(task, State.FAILED, "it was not started by its deadline")
        return len(late)

    def _check_in_queue(self, task: int) -> None:
        if task not in self._world.tasks:
            raise TaskNotFound(f"there is no task {task}", task=task)
        if over := self._world.over.get(task):
            raise TaskOver(f"task {task} has already ended: {over.state.name}", task=task, state=over.state.name)

    def _claimed(self, place: Place) -> Claimed:
        task, created_at = self._world.tasks[place.id]
        return Claimed(
            id=place.id,
            attempt=place.attempt,
            uncounted=place.uncounted,
            kind=task.kind,
            priority=place.priority,
            next_try_at=place.next_try_at,
            payload=task.payload.encode(),
            title=task.title,
            trigger=task.trigger,
            initiator=task.initiator,
            labels=task.labels.encode(),
            created_at=created_at,
            attempt_limit=task.attempt_limit,
            retry_pause=task.retry_pause,
            run_limit=task.run_limit,
            silence_limit=task.silence_limit,
            coalesce_key=place.coalesce_key,
            slot_key=place.slot_key,
            origin=place.origin,
            trace=task.trace,
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
            world.over[place.id] = Over.of(place, FINAL[verdict], verdict, held.node, began, ended, message, result)
            return verdict
        due = world.now() + timedelta(seconds=end.pause) if verdict is Verdict.RETRY else place.next_try_at
        if verdict is Verdict.RETRY or began is not None:
            world.tried[place.id].append(Tried(place.attempt, verdict, held.node, began, ended, message, due))
        if began is not None:
            place = replace(place, start_by=None)
        if verdict is Verdict.RETRY and end.pause > 0:
            world.deferred[place.id] = replace(place, next_try_at=due, start_by=None)
        else:
            start_by = place.start_by if began is None else None
            world.put_back(replace(place, next_try_at=due, start_by=start_by), counted=verdict is Verdict.RETRY)
        return verdict


def _order(place: Place) -> tuple[int, object, int]:
    return place.order
