"""How people read, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import cast

import msgspec

from windlass.core.fields import CARDS, Section
from windlass.core.filters import EVERYTHING, Filter
from windlass.core.lifecycle import State, Verdict
from windlass.core.orders import OWN, Order, parse_order
from windlass.core.sequence import CREATED, ENDED, STARTED, WAITS, sequence
from windlass.store.facts import AttemptFacts, CardFacts, EventFacts, NewTask, Page, Standing, TaskFacts, Watched
from windlass.store.memory.matching import ordered, passes
from windlass.store.memory.standing import standing
from windlass.store.memory.world import World
from windlass.store.port import ALL_POOLS, MOST_COUNTED, MOST_OUTPUT_BYTES, Library, Scope, output_bounds
from windlass.store.values import CARD_VALUES, TASK_VALUES, Values, of_origin, place_in, values_of

STATE, PROGRESS, OUTPUT = 1, 4, 5

NEWEST_FIRST = parse_order("id desc", CARDS)

Listed = tuple[int, int, datetime, int]


def _running(id_: int) -> Listed:
    return (0, 0, datetime.min.replace(tzinfo=UTC), id_)


def _waiting(priority: int, next_try_at: datetime, id_: int) -> Listed:
    return (1, -priority, next_try_at, id_)


def _brief(facts: TaskFacts) -> TaskFacts:
    return msgspec.structs.replace(facts, payload=None, result=None)


def _page(found: list[TaskFacts], size: int, order: Order, values: Values) -> Page[TaskFacts]:
    shown = tuple(map(_brief, found[:size]))
    return Page(shown, place_in(order, values, shown[-1]) if len(found) > size else None)


def _carded(world: World) -> Iterator[int]:
    """Those in the queue that were tried, or handed back, at least once."""
    for held in world.running.values():
        if held.started_at is not None or held.place.attempt > 1:
            yield held.place.id
    yield from (place.id for place in world.waiting if place.attempt > 0)


def in_scope(facts: TaskFacts, pools: Scope) -> bool:
    return not pools or facts.pool in pools


class MemoryLibrary(Library):
    def __init__(self, world: World) -> None:
        self._world = world

    async def task(self, task: int, pools: Scope = ALL_POOLS) -> TaskFacts | None:
        facts = self._facts(task) if task in self._world.tasks else None
        return facts if facts is not None and in_scope(facts, pools) else None

    async def active(
        self,
        size: int,
        after: tuple[object, ...] | None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        found = self._passing(Section.ACTIVE, filter, pools)
        if order.terms:
            return _page(ordered(found, order, TASK_VALUES, after), size, order, TASK_VALUES)
        places = sorted(((self._listed(facts.id), facts) for facts in found), key=lambda one: one[0])
        if after is not None:
            section, id_, priority, next_try_at = cast("tuple[int, int, int, datetime]", after)
            passed = _waiting(priority, next_try_at, id_) if section else _running(id_)
            places = [one for one in places if one[0] > passed]
        items = tuple(_brief(facts) for _, facts in places[:size])
        if len(places) <= size:
            return Page(items, None)
        last = items[-1]
        return Page(items, (places[size - 1][0][0], last.id, last.priority, last.next_try_at))

    async def cards(
        self,
        size: int,
        after: tuple[object, ...] | None,
        origin: int | None = None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        found = self._passing(Section.CARDS, of_origin(filter, origin), pools)
        order = order if order.terms else NEWEST_FIRST
        return _page(ordered(found, order, CARD_VALUES, after), size, order, CARD_VALUES)

    async def ids_matching(
        self, filter: Filter, section: Section, after: int, limit: int, pools: Scope = ALL_POOLS
    ) -> list[int]:
        return sorted(facts.id for facts in self._passing(section, filter, pools) if facts.id > after)[:limit]

    async def count_matching(
        self, filter: Filter, section: Section, cap: int = MOST_COUNTED, pools: Scope = ALL_POOLS
    ) -> int:
        return min(len(self._passing(section, filter, pools)), cap + 1)

    async def output(
        self, task: int, after: int, limit: int, attempt: int | None = None, stream: int | None = None
    ) -> Page[EventFacts]:
        first, end = output_bounds(after, attempt)
        chunks = [event for event in self._world.events.get(task, {}).values() if event.type == OUTPUT]
        fits = [one for one in chunks if first < one.sequence < end and stream in (None, one.stream)]
        fits.sort(key=lambda event: event.sequence)
        size = 0
        shown: list[EventFacts] = []
        for chunk in fits[:limit]:
            if shown and size >= MOST_OUTPUT_BYTES:
                break
            shown.append(chunk)
            size += len(chunk.data or b"")
        return Page(tuple(shown), (shown[-1].sequence,) if len(fits) > len(shown) else None)

    def _passing(self, section: Section, filter: Filter, pools: Scope) -> list[TaskFacts]:
        world = self._world
        over, active = list(world.over), [*world.running, *(place.id for place in world.waiting)]
        ids = {Section.ACTIVE: active, Section.ENDED: over, Section.CARDS: [*over, *_carded(world)]}[section]
        now, values = world.now(), values_of(section)
        every = (facts for facts in map(self._facts, ids) if in_scope(facts, pools))
        return [facts for facts in every if passes(filter, values, facts, now)]

    def _listed(self, id_: int) -> Listed:
        waiting = self._world.place_of(id_)
        if waiting is None:
            return _running(id_)
        return _waiting(waiting[id_].priority, waiting[id_].next_try_at, id_)

    async def card(self, task: int, pools: Scope = ALL_POOLS) -> CardFacts | None:
        facts = await self.task(task, pools)
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

    async def events(
        self, watched: Sequence[Watched], limit: int, portion: int | None = None
    ) -> dict[int, list[EventFacts]]:
        found = {}
        for place in watched:
            every = sorted(self._events(place.task), key=lambda event: event.sequence)
            hidden = (PROGRESS, OUTPUT) if place.timeline_only else ()
            news = [event for event in every if event.sequence > place.after and event.type not in hidden]
            if news:
                found[place.task] = _portion(news[:limit], portion)
        return found

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


def _portion(events: list[EventFacts], size: int | None) -> list[EventFacts]:
    left = size
    for n, event in enumerate(events):
        if left is not None:
            if n and left <= 0:
                return events[:n]
            left -= len(event.text.encode()) + len(event.data or b"")
    return events
