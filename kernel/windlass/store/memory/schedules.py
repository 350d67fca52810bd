"""Schedules and their ledger, in memory."""

from __future__ import annotations

from datetime import datetime, timedelta

from msgspec.structs import replace

from windlass.core.schedules import Schedule, TickOutcome
from windlass.errors import ScheduleNotFound
from windlass.store.facts import Membership, NewTask, Note, Page, Receipt
from windlass.store.memory.world import World
from windlass.store.port import Queue
from windlass.store.schedules import Due, Firing, ScheduleFacts, Schedules, TickFacts, exists_already, refusal


class MemorySchedules(Schedules):
    def __init__(self, world: World, queue: Queue, speaker: object) -> None:
        self._world = world
        self._queue = queue
        self._speaker = speaker

    async def put(
        self, schedule: Schedule, *, owner: str | None, revision: int | None = None, note: Note | None = None
    ) -> ScheduleFacts:
        world, now = self._world, self._world.now()
        old = world.schedules.get(schedule.name)
        if old is not None and revision == 0:
            raise exists_already(schedule.name)
        if old is not None or revision:
            old = self._checked(schedule.name, owner, revision)
        settled = max((tick.due_at for tick in world.ticks if _decides(tick, schedule.name)), default=now)
        since = max(now, settled)
        if old is None:
            world.schedules[schedule.name] = ScheduleFacts(schedule, owner, 1, 1, now, since, None, now, None, None)
        else:
            kept = _times(old.schedule) == _times(schedule)
            world.schedules[schedule.name] = replace(
                old,
                schedule=replace(schedule, paused=old.schedule.paused),
                revision=old.revision + 1,
                turn=old.turn + 1,
                since=old.since if kept else since,
                next_at=now,
            )
        world.note(note)
        world.say("schedule", self._speaker)
        return self._shown(schedule.name)

    async def get(self, name: str) -> ScheduleFacts:
        return self._shown(name)

    async def list(self, size: int, after: str = "") -> Page[ScheduleFacts]:
        names = sorted(name for name in self._world.schedules if name > after)
        found = tuple(self._shown(name) for name in names[:size])
        return Page(found, (names[size - 1],) if len(names) > size else None)

    async def delete(
        self, name: str, *, owner: str | None, revision: int | None = None, note: Note | None = None
    ) -> None:
        self._checked(name, owner, revision)
        self._world.note(note)
        del self._world.schedules[name]

    async def pause(self, name: str, *, paused: bool, note: Note | None = None) -> ScheduleFacts:
        old, now = self._read(name), self._world.now()
        self._world.schedules[name] = replace(
            old,
            schedule=replace(old.schedule, paused=paused),
            turn=old.turn + 1,
            resumed_at=now if old.schedule.paused and not paused else old.resumed_at,
            next_at=now,
        )
        self._world.note(note)
        self._world.say("schedule", self._speaker)
        return self._shown(name)

    async def due(self, limit: int) -> Due:
        now = self._world.now()
        everything = sorted(self._world.schedules.values(), key=lambda facts: (facts.next_at, facts.schedule.name))
        due = [facts.schedule.name for facts in everything if facts.next_at <= now]
        later = [facts.next_at for facts in everything if facts.next_at > now]
        wait = (later[0] - now).total_seconds() if later else None
        return Due(now, tuple(self._read(name) for name in due[:limit]), wait)

    async def fire(self, membership: Membership, firing: Firing) -> tuple[Receipt, ...] | None:
        world = self._world
        facts = world.schedules.get(firing.name)
        if facts is None or facts.turn != firing.turn or not world.leads(membership.node, membership.term):
            return None
        receipts = tuple(await self._queue.enqueue(firing.tasks))
        tasks = [receipt.task for receipt in receipts]
        each = iter(tasks)
        for tick in firing.plan.ticks:
            task = next(each) if tick.fires else None
            self._tell(firing.name, tick.due_at, tick.outcome, tick.reason, task)
        world.schedules[firing.name] = replace(
            facts,
            turn=facts.turn + 1,
            since=firing.plan.settled,
            next_at=firing.plan.next_at,
            last_task=tasks[-1] if tasks else facts.last_task,
        )
        return receipts

    async def run_now(self, name: str, task: NewTask, by: str) -> Receipt:
        facts = self._read(name)
        [receipt] = await self._queue.enqueue([task])
        if not receipt.repeated:
            self._tell(name, self._world.now(), TickOutcome.BY_HAND, f"by {by}", receipt.task)
            self._world.schedules[name] = replace(facts, turn=facts.turn + 1, last_task=receipt.task)
        return receipt

    async def ledger(self, name: str, size: int, after: int | None = None) -> Page[TickFacts]:
        before = float("inf") if after is None else after
        found = [tick for tick in reversed(self._world.ticks) if tick.schedule == name and tick.id < before]
        return Page(tuple(found[:size]), (found[size - 1].id,) if len(found) > size else None)

    async def prune(self, membership: Membership, keep: float, limit: int) -> int:
        world = self._world
        if not world.leads(membership.node, membership.term):
            return 0
        oldest = world.now() - timedelta(seconds=keep)
        old = [tick for tick in world.ticks if tick.at < oldest][:limit]
        world.ticks = [tick for tick in world.ticks if tick not in old]
        return len(old)

    def _shown(self, name: str) -> ScheduleFacts:
        """With the newest line of its ledger."""
        newest = next((tick for tick in reversed(self._world.ticks) if tick.schedule == name), None)
        return replace(self._read(name), last_tick=newest)

    def _read(self, name: str) -> ScheduleFacts:
        facts = self._world.schedules.get(name)
        if facts is None:
            raise ScheduleNotFound(f"there is no schedule {name!r}", schedule=name)
        over = facts.last_task is None or facts.last_task in self._world.over
        return replace(facts, busy=None if over else facts.last_task)

    def _checked(self, name: str, owner: str | None, revision: int | None) -> ScheduleFacts:
        facts = self._read(name)
        if facts.owner != owner or revision not in (None, facts.revision):
            raise refusal(facts, owner)
        return facts

    def _tell(self, name: str, due_at: datetime, outcome: TickOutcome, reason: str, task: int | None) -> None:
        world = self._world
        assert outcome is TickOutcome.BY_HAND or not any(_decides(t, name) and t.due_at == due_at for t in world.ticks)
        world.last_tick += 1
        world.ticks.append(TickFacts(world.last_tick, name, due_at, world.now(), outcome, reason, task))


def _times(schedule: Schedule) -> tuple[str | None, str, float | None]:
    return schedule.cron, schedule.zone, schedule.interval


def _decides(tick: TickFacts, name: str) -> bool:
    return tick.schedule == name and tick.outcome is not TickOutcome.BY_HAND
