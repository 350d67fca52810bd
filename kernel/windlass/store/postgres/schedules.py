"""Schedules and their ledger, in PostgreSQL."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from windlass.core.schedules import Schedule, TickOutcome
from windlass.errors import ScheduleChanged, ScheduleNotFound
from windlass.store.facts import Membership, NewTask, Note, Page, Receipt
from windlass.store.postgres.connection import Connections, Overtaken, Row
from windlass.store.postgres.queue import PostgresQueue
from windlass.store.schedules import Due, Firing, ScheduleFacts, Schedules, TickFacts, exists_already, refusal

LAST_ID = 2**63 - 1
FIELDS = 11
"""Columns of a schedule itself, with its busy task."""


class PostgresSchedules(Schedules):
    def __init__(self, connections: Connections, queue: PostgresQueue) -> None:
        self._db = connections
        self._queue = queue

    async def put(
        self, schedule: Schedule, *, owner: str | None, revision: int | None = None, note: Note | None = None
    ) -> ScheduleFacts:
        spec = msgspec.json.encode(replace(schedule, paused=False)).decode()
        facts = {"name": schedule.name, "owner": owner, "revision": revision, "spec": spec, "paused": schedule.paused}
        if not await self._db.rows("put_schedule", facts | {"hint": self._db.hint("schedule")}, note):
            raise exists_already(schedule.name) if revision == 0 else await self._refusal(schedule.name, owner)
        return await self.get(schedule.name)

    async def get(self, name: str) -> ScheduleFacts:
        for row in await self._db.rows("read_schedule", {"name": name}):
            return _facts(row)
        raise _unknown(name)

    async def list(self, size: int, after: str = "") -> Page[ScheduleFacts]:
        rows = await self._db.rows("list_schedules", {"after": after, "limit": size + 1})
        found = tuple(map(_facts, rows[:size]))
        return Page(found, (found[-1].schedule.name,) if len(rows) > size else None)

    async def delete(
        self, name: str, *, owner: str | None, revision: int | None = None, note: Note | None = None
    ) -> None:
        if not await self._db.rows("delete_schedule", {"name": name, "owner": owner, "revision": revision}, note):
            raise await self._refusal(name, owner)

    async def pause(self, name: str, *, paused: bool, note: Note | None = None) -> ScheduleFacts:
        facts = {"name": name, "paused": paused, "hint": self._db.hint("schedule")}
        if not await self._db.rows("pause_schedule", facts, note):
            raise _unknown(name)
        return await self.get(name)

    async def due(self, limit: int) -> Due:
        rows = await self._db.rows("due_schedules", {"limit": limit})
        due = tuple(_facts(row[2:]) for row in rows if row[2] is not None)
        return Due(rows[0][0], due, rows[0][1])

    async def fire(self, membership: Membership, firing: Firing) -> tuple[Receipt, ...] | None:
        facts = {"node": membership.node, "term": membership.term, "name": firing.name, "turn": firing.turn}
        try:
            async with self._db.transaction() as run:
                receipts = tuple(await self._queue.enqueue_within(run, firing.tasks)) if firing.tasks else ()
                if not await run("fire_ticks", facts | _ticks(firing, [receipt.task for receipt in receipts])):
                    raise Overtaken
        except Overtaken:
            return None
        await self._queue.release_if_blocked(firing.tasks)
        return receipts

    async def run_now(self, name: str, task: NewTask, by: str) -> Receipt:
        async with self._db.transaction() as run:
            [receipt] = await self._queue.enqueue_within(run, [task])
            facts = {"name": name, "task": receipt.task, "reason": f"by {by}"}
            if not receipt.repeated and not await run("run_schedule", facts):
                raise _unknown(name)
        await self._queue.release_if_blocked([task])
        return receipt

    async def ledger(self, name: str, size: int, after: int | None = None) -> Page[TickFacts]:
        before = LAST_ID if after is None else after
        rows = await self._db.rows("list_ticks", {"name": name, "before": before, "limit": size + 1})
        found = tuple(_tick(row) for row in rows[:size])
        return Page(found, (found[-1].id,) if len(rows) > size else None)

    async def prune(self, membership: Membership, keep: float, limit: int) -> int:
        facts = {"node": membership.node, "term": membership.term, "keep": keep, "limit": limit}
        return len(await self._db.rows("prune_ticks", facts))

    async def _refusal(self, name: str, owner: str | None) -> ScheduleNotFound | ScheduleChanged:
        rows = await self._db.rows("read_schedule", {"name": name})
        return refusal(_facts(rows[0]), owner) if rows else _unknown(name)


def _facts(row: Row) -> ScheduleFacts:
    """Of what stands in the schedule; where its newest tick was read too, that follows."""
    spec, paused, *others = row[:FIELDS]
    facts = ScheduleFacts(replace(msgspec.json.decode(spec, type=Schedule), paused=paused), *others)
    newest = row[FIELDS:]
    return replace(facts, last_tick=_tick(newest)) if newest and newest[0] is not None else facts


def _tick(row: Row) -> TickFacts:
    id_, schedule, due_at, at, outcome, reason, task = row
    return TickFacts(id_, schedule, due_at, at, TickOutcome(outcome), reason, task)


def _ticks(firing: Firing, made: list[int]) -> dict[str, Any]:
    ticks, each = firing.plan.ticks, iter(made)
    return {
        "settled": firing.plan.settled,
        "next_at": firing.plan.next_at,
        "last_task": made[-1] if made else None,
        "due": [tick.due_at for tick in ticks],
        "outcomes": [tick.outcome.value for tick in ticks],
        "reasons": [tick.reason for tick in ticks],
        "tasks": [next(each) if tick.fires else None for tick in ticks],
    }


def _unknown(name: str) -> ScheduleNotFound:
    return ScheduleNotFound(f"there is no schedule {name!r}", schedule=name)
