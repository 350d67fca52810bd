"""How people read, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec

from windlass.core.lifecycle import State, Verdict
from windlass.core.sequence import CREATED, ENDED, STARTED, WAITS, sequence
from windlass.store.facts import AttemptFacts, CardFacts, EventFacts, NewTask, Page, Standing, TaskFacts, Watched
from windlass.store.memory.standing import standing
from windlass.store.memory.world import World
from windlass.store.port import Library

STATE, PROGRESS, OUTPUT = 1, 4, 5

Listed = tuple[int, int, datetime, int]


def _running(id_: int) -> Listed:
    return (0, 0, datetime.min.replace(tzinfo=UTC), id_)


def _waiting(priority: int, next_try_at: datetime, id_: int) -> Listed:
    return (1, -priority, next_try_at, id_)


class MemoryLibrary(Library):
    def __init__(self, world: World) -> None:
        self._world = world

    async def task(self, task: int) -> TaskFacts | None:
        return self._facts(task) if task in self._world.tasks else None

    async def active(self, size: int, after: tuple[object, ...] | None) -> Page[TaskFacts]:
        places = [_running(id_) for id_ in self._world.running]
        places += [_waiting(p.priority, p.next_try_at, p.id) for p in self._world.waiting]
        if after is not None:
            section, id_, priority, next_try_at = cast("tuple[int, int, int, datetime]", after)
            passed = _waiting(priority, next_try_at, id_) if section else _running(id_)
            places = [place for place in places if place > passed]
        places.sort()
        items = tuple(self._brief(place[-1]) for place in places[:size])
        if len(places) <= size:
            return Page(items, None)
        last = items[-1]
        return Page(items, (places[size - 1][0], last.id, last.priority, last.next_try_at))

    async def cards(self, size: int, after: tuple[object, ...] | None, origin: int | None) -> Page[TaskFacts]:
        world = self._world
        ids = set(world.over) | {
            h.place.id for h in world.running.values() if h.started_at is not None or h.place.attempt > 1
        }
        ids |= {p.id for p in world.waiting if p.attempt > 0}
        fits = sorted((i for i in ids if origin in (None, world.tasks[i][0].origin)), reverse=True)
        if after is not None:
            fits = [id_ for id_ in fits if id_ < after[0]]  # type: ignore[operator]
        return Page(tuple(map(self._brief, fits[:size])), (fits[size - 1],) if len(fits) > size else None)

    async def card(self, task: int) -> CardFacts | None:
        facts = await self.task(task)
        if facts is None or not (facts.attempt or facts.state.final):
            return None
        attempts = tuple(sorted(self._attempts(task), key=lambda one: one.attempt))
        joined = self._world.joined.get(task, ()) if facts.coalesce_key is not None else ()
        return CardFacts(facts, attempts, tuple(msgspec.structs.replace(one, payload=b"") for one in joined))

    async def request(self, task: int) -> NewTask | None:
        if task not in self._world.tasks:
            return None
        asked = self._world.tasks[task][0]
        once = {"request_id": None, "body_hash": b"", "delay": 0.0, "after": (), "after_success": False}
        return msgspec.structs.replace(asked, **once, joins_running=False, parent=None, retry_of=None, trace=None)

    async def children(self, task: int, limit: int, after: int = 0) -> list[int]:
        world = self._world
        every = (id_ for id_, (asked, _) in world.tasks.items() if asked.parent == task and id_ > after)
        return [id_ for id_ in every if id_ not in world.over][:limit]

    async def standing(self, task: int) -> Standing | None:
        world = self._world
        held = world.running.get(task)
        if held is not None and (held.started_at is not None or held.interrupted):
            return None
        where = world.place_of(task)
        if where is None and held is None:
            return None
        return standing(world, held.place if held else where[task], is_claimed=held is not None)  # type: ignore[index]

    async def events(self, watched: Sequence[Watched], limit: int) -> dict[int, list[EventFacts]]:
        found = {}
        for place in watched:
            every = sorted(self._events(place.task), key=lambda event: event.sequence)
            hidden = (PROGRESS, OUTPUT) if place.timeline_only else ()
            news = [event for event in every if event.sequence > place.after and event.type not in hidden]
            if news:
                found[place.task] = news[:limit]
        return found

    def _brief(self, task: int) -> TaskFacts:
        return msgspec.structs.replace(self._facts(task), payload=None, result=None)

    def _facts(self, id_: int) -> TaskFacts:
        world = self._world
        task, created_at = world.tasks[id_]
        over, held = world.over.get(id_), world.running.get(id_)
        waiting = world.place_of(id_)
        place = held.place if held else waiting[id_] if waiting else None
        where = over or place
        assert where is not None, f"task {id_} is nowhere"
        node = over.node if over else held.node if held else None
        return TaskFacts(
            id=id_,
            kind=task.kind,
            title=task.title,
            priority=where.priority,
            pool=task.pool,
            trigger=task.trigger,
            origin=task.origin,
            initiator=task.initiator,
            labels=task.labels.encode(),
            payload=task.payload.encode(),
            attempt_limit=task.attempt_limit,
            retry_pause=task.retry_pause,
            parent=task.parent,
            retry_of=task.retry_of,
            coalesce_key=task.coalesce_key,
            created_at=created_at,
            state=self._state(id_),
            attempt=where.attempt,
            uncounted=where.uncounted,
            next_try_at=place.next_try_at if place else None,
            started_at=over.started_at if over else held.started_at if held else None,
            ended_at=over.ended_at if over else None,
            node=world.node_name(node),
            stage=held.stage if held else None,
            progress_current=held.progress.current if held and held.progress else None,
            progress_total=held.progress.total if held and held.progress else None,
            message=over.message if over else None,
            result=over.result if over else None,
            trace=task.trace,
        )

    def _state(self, id_: int) -> State:
        if over := self._world.over.get(id_):
            return over.state
        held = self._world.running.get(id_)
        if held is None:
            return State.PENDING
        if held.interrupted:
            return State.CANCELLING
        return State.PENDING if held.started_at is None else State.RUNNING

    def _attempts(self, id_: int) -> Iterator[AttemptFacts]:
        name = self._world.node_name
        for t in self._world.tried.get(id_, ()):
            yield AttemptFacts(t.attempt, t.verdict, name(t.node), t.started_at, t.ended_at, t.message)
        over, held = self._world.over.get(id_), self._world.running.get(id_)
        if over is not None and over.node is not None:
            node = name(over.node)
            yield AttemptFacts(over.attempt, over.verdict, node, over.started_at, over.ended_at, over.message)
        if held is not None and held.started_at is not None:
            yield AttemptFacts(held.place.attempt, Verdict.RUNNING, name(held.node), held.started_at, None, "")

    def _events(self, id_: int) -> Iterator[EventFacts]:
        world, name = self._world, self._world.node_name
        if id_ not in world.tasks:
            return
        yield EventFacts(CREATED, world.tasks[id_][1], STATE, State.PENDING)
        yield from world.events.get(id_, {}).values()
        for t in world.tried.get(id_, ()):
            if t.started_at is not None:
                yield EventFacts(sequence(t.attempt, STARTED), t.started_at, STATE, State.RUNNING, node=name(t.node))
            yield EventFacts(
                sequence(t.attempt, WAITS),
                t.ended_at,
                STATE,
                State.PENDING,
                t.message,
                None,
                name(t.node),
                t.next_try_at,
            )
        if held := world.running.get(id_):
            if held.started_at is not None:
                started = sequence(held.place.attempt, STARTED)
                yield EventFacts(started, held.started_at, STATE, State.RUNNING, node=name(held.node))
            if held.progress:
                yield held.progress
        if over := world.over.get(id_):
            if over.started_at is not None:
                started = sequence(over.attempt, STARTED)
                yield EventFacts(started, over.started_at, STATE, State.RUNNING, node=name(over.node))
            yield EventFacts(
                sequence(over.attempt, ENDED),
                over.ended_at,
                STATE,
                over.state,
                over.message,
                over.result,
                name(over.node),
            )
