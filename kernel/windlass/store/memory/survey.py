"""The whole at a glance, in memory."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from datetime import datetime
from itertools import chain, islice, takewhile
from typing import TypeVar

import msgspec

from windlass.core.lifecycle import State
from windlass.core.retry import RetryPolicy
from windlass.core.vitals import COUNT_CAP, KindEnds, KindWaiting, LostNode, NodeVitals, PoolVitals
from windlass.store import survey
from windlass.store.lanes import LaneFacts, Lanes, Standing
from windlass.store.memory.world import Held, Member, Over, Place, Pool, World
from windlass.store.port import Library
from windlass.store.survey import CoalescingFacts, Depths, Executing, PooledStanding, Survey

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
USUAL_ATTEMPTS = RetryPolicy().attempts


class MemorySurvey(Survey):
    def __init__(self, world: World, library: Library, lanes: Lanes) -> None:
        self._world = world
        self._library = library
        self._lanes = lanes

    async def depths(self) -> Depths:
        world = self._world
        held = [(h.place.pool, _executes(h)) for h in world.running.values()]
        names = {*world.pools, *(place.pool for place in world.waiting), *(pool for pool, _ in held)}
        in_use = Counter(pool for pool, executes in held if executes)
        taken = Counter(pool for pool, _ in held)
        later, stopped = _by_pool(world.deferred.values()), _by_pool(world.blocked.values())
        pools = []
        for name in sorted(names):
            due = [place.next_try_at for place in world.ready.values() if place.pool == name]
            pool = world.pools.get(name, Pool(0, 0))
            found = PoolVitals(
                name=name,
                slots=pool.slots,
                paused_at=None if pool.pause is None else pool.pause.at,
                paused_by=pool.paused_by,
                pause_reason="" if pool.pause is None else pool.pause.reason,
                in_use=in_use[name],
                held=taken[name],
                waiting=min(len(due), COUNT_CAP + 1),
                oldest_at=min(due, default=None),
                deferred=later[name],
                blocked=stopped[name],
            )
            pools.append(found)
        return Depths(world.now(), tuple(pools))

    async def executing(self, quiet: float) -> list[Executing]:
        held = sorted(filter(_executes, self._world.running.values()), key=_began)
        first = _first_of_each(held, lambda h: h.place.pool)
        return [await self._executing(h, quiet) for h in first]

    async def coalescing(self) -> list[CoalescingFacts]:
        world = self._world
        held = ((h.place, _state(h)) for h in world.running.values())
        keyed = [(p, s) for p, s in chain(held, ((p, State.PENDING) for p in world.waiting)) if p.coalesce_key]
        of_pool = Counter(place.pool for place, _ in keyed)
        first = _first_of_each(sorted(keyed, key=lambda one: one[0].id), lambda one: one[0].pool)
        return [self._coalescing(place, state, of_pool[place.pool]) for place, state in first]

    async def busy_lanes(self) -> list[LaneFacts]:
        busy = [lane for lane in await self._lanes.lanes() if lane.holder or lane.waiters]
        return [self._lane(lane) for lane in busy[: survey.MOST_LANES]]

    async def waiting_kinds(self) -> list[KindWaiting]:
        world, found = self._world, []
        first = _first_of_each(
            sorted(world.ready.values(), key=lambda p: p.order), lambda p: p.pool, survey.FIRST_WAITING
        )
        for (pool, kind), places in sorted(_grouped(first, lambda p: (p.pool, p.kind)).items()):
            able = sum(kind in m.facts.kinds and not m.facts.draining and m.serves(pool) for m in self._live())
            oldest = min(place.next_try_at for place in places)
            found.append(KindWaiting(pool, kind, len(places), oldest, kind in world.paused_kinds, able))
        return found

    async def ends(self, window: float) -> list[KindEnds]:
        world, since = self._world, self._world.ago(window)
        newest = sorted(world.over, reverse=True)[: survey.LAST_ENDS]
        told = [
            id_ for id_ in newest if world.over[id_].state is not State.CANCELED and world.over[id_].ended_at > since
        ]
        told.sort(key=lambda id_: (world.over[id_].ended_at, id_), reverse=True)
        kinds = _grouped(told, lambda id_: (world.tasks[id_][0].pool, world.tasks[id_][0].kind))
        return [self._kind_ends(pool, kind, ids) for (pool, kind), ids in sorted(kinds.items())]

    async def nodes(self, window: float) -> NodeVitals:
        world = self._world
        servers = {id_: member for id_, member in world.nodes.items() if member.agent is None}
        live = [member for id_, member in servers.items() if world.alive(id_)]
        lost = [LostNode(id_, m.facts.name, at) for id_, m in servers.items() if (at := self._lost_at(m))]
        lost = sorted((one for one in lost if one.at > world.ago(window)), key=lambda one: one.at, reverse=True)
        ends = [min(m.expires_at, m.left_at or m.expires_at) for m in servers.values()]
        last = max(ends, default=None)
        agents = [member for member in self._live() if member.agent is not None]
        return NodeVitals(
            len(live),
            sum(m.facts.draining for m in live),
            None if live else last,
            tuple(lost),
            len(agents),
            sum(m.facts.draining for m in agents),
        )

    def _live(self) -> list[Member]:
        return [member for id_, member in self._world.nodes.items() if self._world.alive(id_)]

    async def _executing(self, held: Held, quiet: float) -> Executing:
        world, place = self._world, held.place
        facts = await self._library.task(place.id)
        assert facts is not None
        kind = world.known_kinds.get(place.kind)
        limit = world.tasks[place.id][0].run_limit
        return Executing(
            task=msgspec.structs.replace(facts, payload=None, result=None),
            interrupt_at=held.interrupt_at,
            run_limit=limit if limit is not None else kind.run_limit if kind else None,
            last_word_at=self._last_word(held, heard=_began(held)[0] < world.ago(quiet)),
            is_resident=place.id in world.residents.values(),
        )

    def _last_word(self, held: Held, *, heard: bool) -> datetime | None:
        said = [event.at for event in self._world.events.get(held.place.id, {}).values()] if heard else []
        known = [held.started_at, held.progress.at if held.progress else None, *said]
        return max((at for at in known if at is not None), default=None)

    def _coalescing(self, place: Place, state: State, of_pool: int) -> CoalescingFacts:
        task, created_at = self._world.tasks[place.id]
        joined = min(len(self._world.joined.get(place.id, ())), COUNT_CAP)
        key = place.coalesce_key or ""
        return CoalescingFacts(place.id, place.kind, key, task.title, place.pool, state, created_at, joined, of_pool)

    def _lane(self, lane: LaneFacts) -> LaneFacts:
        line = tuple(map(self._standing, lane.waiters[: survey.LONGEST_LINE]))
        return LaneFacts(lane.name, lane.fence, self._standing(lane.holder) if lane.holder else None, line)

    def _standing(self, one: Standing) -> PooledStanding:
        pool = self._world.running[one.task].place.pool
        return PooledStanding(one.task, one.attempt, one.node, one.since, pool)

    def _kind_ends(self, pool: str, kind: str, newest_first: list[int]) -> KindEnds:
        ends = [self._world.over[id_] for id_ in newest_first]
        streak = list(takewhile(_failed, ends))
        failed = [end.ended_at for end in ends if _failed(end)]
        return KindEnds(
            pool=pool,
            kind=kind,
            ended=len(ends),
            failed=len(failed),
            at_limit=sum(self._at_limit(id_) for id_ in newest_first),
            streak=len(streak),
            streak_at=min((end.ended_at for end in streak), default=None),
            first_failed_at=min(failed, default=None),
            last_failed_at=max(failed, default=None),
        )

    def _at_limit(self, task: int) -> bool:
        over, asked = self._world.over[task], self._world.tasks[task][0]
        return _failed(over) and over.attempt - over.uncounted >= max(asked.attempt_limit or USUAL_ATTEMPTS, 2)

    def _lost_at(self, member: Member) -> datetime | None:
        ran_out = member.expires_at <= self._world.now() and (member.left_at or member.expires_at) >= member.expires_at
        return (member.left_at if member.is_lost else None) or (member.expires_at if ran_out else None)


def _executes(held: Held) -> bool:
    return held.started_at is not None or held.interrupted


def _failed(over: Over) -> bool:
    return over.state is State.FAILED


def _state(held: Held) -> State:
    if held.interrupted:
        return State.CANCELLING
    return State.PENDING if held.started_at is None else State.RUNNING


def _began(held: Held) -> tuple[datetime, int]:
    began = held.started_at or held.interrupt_at
    assert began is not None
    return began, held.place.id


def _by_pool(places: Iterable[Place]) -> Counter[str]:
    return Counter(place.pool for place in islice(places, COUNT_CAP + 1))


def _grouped(items: Iterable[T], key: Callable[[T], K]) -> dict[K, list[T]]:
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def _first_of_each(items: Iterable[T], pool: Callable[[T], str], most: int = survey.LISTED_EACH) -> Iterator[T]:
    seen: Counter[str] = Counter()
    for item in items:
        seen[pool(item)] += 1
        if seen[pool(item)] <= most:
            yield item
