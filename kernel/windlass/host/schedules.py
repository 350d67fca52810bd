"""Schedules as the kernel's callers ask for them, and as plugins register them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
import structlog
from msgspec.structs import replace

from windlass.core.schedules import Schedule, check_schedule
from windlass.errors import BootError, InvalidArgument, ScheduleChanged, ScheduleInvalid, ScheduleNotFound
from windlass.host.admission import NORMAL_PRIORITY, Admission, Caller, Request
from windlass.host.plugins import Kind, Plugins
from windlass.store.facts import NewTask, Note, Page, Receipt
from windlass.store.schedules import ScheduleFacts, Schedules, TickFacts, exists_already, refusal

log = structlog.get_logger()

SCHEDULER = Caller("Scheduler", 2)
"""Who asks when nobody asked: what it makes is of origin SYSTEM."""
PAGE = 200
ASKED_AGAIN = 5


class Timetable:
    """`on_stored` is told of tasks made here, `on_changed` that a schedule may be due sooner."""

    def __init__(
        self,
        schedules: Schedules,
        admission: Admission,
        plugins: Plugins,
        on_stored: Callable[[Sequence[NewTask]], None],
        on_changed: Callable[[], None],
    ) -> None:
        self._schedules = schedules
        self._admission = admission
        self._plugins = plugins
        self._on_stored = on_stored
        self._on_changed = on_changed

    async def put(
        self, schedule: Schedule, revision: int | None = None, note: Note | None = None, *, by: Caller = SCHEDULER
    ) -> ScheduleFacts:
        """Make or change an operator's schedule.  Raises what `Schedules.put` and `Admission.admit` raise.

        `by` is who must be allowed to make such tasks; the ticks are the scheduler's.
        """
        facts = await self._schedules.put(self._complete(schedule, by), owner=None, revision=revision, note=note)
        self._on_changed()
        return facts

    async def create(self, schedule: Schedule, by: Caller, note: Note | None = None) -> ScheduleFacts:
        """Make an operator's schedule.  Raises as `put`, and `ScheduleExists`."""
        return await self.put(schedule, revision=0, note=note, by=by)

    async def update(
        self, schedule: Schedule, revision: int | None, by: Caller, note: Note | None = None
    ) -> ScheduleFacts:
        """Change an operator's schedule as a whole; without a `revision`, whatever is there.  Raises as `put`."""
        for _ in range(ASKED_AGAIN):
            seen = (await self._schedules.get(schedule.name)).revision if revision is None else revision
            try:
                return await self.put(schedule, revision=seen, note=note, by=by)
            except ScheduleChanged as error:
                if revision is not None or "revision" not in error.facts:
                    raise
        raise ScheduleChanged(f"schedule {schedule.name!r} is being changed by others: try again")

    async def check_new(self, schedule: Schedule, by: Caller, now: datetime) -> ScheduleFacts:
        """What `create` would store.  Raises what it would raise."""
        complete = self._complete(schedule, by)
        with suppress(ScheduleNotFound):
            await self._schedules.get(schedule.name)
            raise exists_already(schedule.name)
        return ScheduleFacts(complete, None, 0, 0, now, now, None, now, None, None)

    async def check_change(self, schedule: Schedule, revision: int | None, by: Caller, now: datetime) -> ScheduleFacts:
        """What `update` would store.  Raises what it would raise."""
        complete = self._complete(schedule, by)
        old = await self._schedules.get(schedule.name)
        if old.owner is not None or revision not in (None, old.revision):
            raise refusal(old, None)
        return replace(old, schedule=replace(complete, paused=old.schedule.paused), since=max(old.since, now))

    async def get(self, name: str) -> ScheduleFacts:
        return await self._schedules.get(name)

    async def list(self, size: int, after: str = "") -> Page[ScheduleFacts]:
        return await self._schedules.list(size, after)

    async def delete(self, name: str, revision: int | None = None, note: Note | None = None) -> None:
        """Remove an operator's schedule; a plugin's can only be paused."""
        await self._schedules.delete(name, owner=None, revision=revision, note=note)

    async def pause(self, name: str, note: Note | None = None) -> ScheduleFacts:
        """Its ticks are skipped from here on; what runs goes on."""
        return await self._schedules.pause(name, paused=True, note=note)

    async def resume(self, name: str, note: Note | None = None) -> ScheduleFacts:
        facts = await self._schedules.pause(name, paused=False, note=note)
        self._on_changed()
        return facts

    async def run_now(self, name: str, caller: Caller, request_id: str = "", note: Note | None = None) -> Receipt:
        """Make its task at once, paused or not, whatever still runs.  The same `request_id` makes it once."""
        schedule = (await self._schedules.get(name)).schedule
        request = _request(schedule, "operator", {"schedule": name}, request_id)
        task = replace(self._admission.admit(request, caller), note=note)
        receipt = await self._schedules.run_now(name, task, caller.name)
        self._on_stored([task])
        return receipt

    async def ledger(self, name: str, size: int, after: int | None = None) -> Page[TickFacts]:
        return await self._schedules.ledger(name, size, after)

    async def register(self) -> None:
        """Bring what the plugins own up to what they register now.  Raises `BootError` for a schedule that is wrong."""
        wanted = {owner: self._checked(owner, schedules) for owner, schedules in self._plugins.schedules.items()}
        there = await self._owned()
        for owner, schedules in wanted.items():
            before = there.get(owner, {})
            for name in before.keys() - schedules.keys():
                with suppress(ScheduleNotFound, ScheduleChanged):  # another node was quicker
                    await self._schedules.delete(name, owner=owner)
                    log.info("a plugin's schedule is removed", schedule=name, plugin=owner)
            for name, schedule in schedules.items():
                if name not in before or before[name] != replace(schedule, paused=before[name].paused):
                    await self._put(owner, schedule)

    async def _put(self, owner: str, schedule: Schedule) -> None:
        try:
            await self._schedules.put(schedule, owner=owner)
        except ScheduleChanged as error:
            log.warning("a plugin's schedule is not put", plugin=owner, error=error.message)

    def _checked(self, owner: str, schedules: Sequence[Schedule]) -> dict[str, Schedule]:
        try:
            return {schedule.name: self._complete(schedule, SCHEDULER) for schedule in schedules}
        except InvalidArgument as error:
            raise BootError(f"plugin {owner} registers a schedule that can't work: {error.message}") from error

    async def _owned(self) -> dict[str, dict[str, Schedule]]:
        owned: dict[str, dict[str, Schedule]] = {}
        after: tuple[str, ...] | None = ("",)
        while after is not None:
            page = await self._schedules.list(PAGE, *after)
            for facts in page.items:
                if facts.owner is not None:
                    owned.setdefault(facts.owner, {})[facts.schedule.name] = facts.schedule
            after = page.after
        return owned

    def _complete(self, schedule: Schedule, by: Caller) -> Schedule:
        """As it is stored: checked, with what the kind decides filled in, so that any node can make its tasks."""
        try:
            plain = msgspec.json.decode(msgspec.json.encode(schedule), type=Schedule)
        except (TypeError, ValueError) as error:
            wrong = f"schedule {schedule.name} can't be written as JSON and read back: {error}"
            raise ScheduleInvalid(wrong, field="schedule") from error
        check_schedule(plain)
        try:
            task = self._admission.admit(_request(plain, "schedule", {}), replace(SCHEDULER, role=by.role))
        except InvalidArgument as error:
            error.message = f"schedule {plain.name}: {error.message}"
            error.field = f"schedule.{error.field.removeprefix('task.')}"
            error.args = (error.message,)
            raise
        return replace(plain, title=task.title, pool=task.pool, priority=task.priority)


def task_of(schedule: Schedule, due_at: datetime, kinds: Mapping[str, Kind]) -> NewTask:
    """The task of one tick.  A kind this node does not know may be another's: its tasks are made all the same."""
    kind = kinds.get(schedule.kind)
    labels = schedule.labels | {"schedule": schedule.name, "due_at": due_at.isoformat()}
    return NewTask(
        kind=schedule.kind,
        title=schedule.title,
        priority=NORMAL_PRIORITY if schedule.priority is None else schedule.priority,
        pool=schedule.pool,
        trigger="schedule",
        origin=SCHEDULER.origin,
        initiator=SCHEDULER.name,
        labels=msgspec.json.encode(labels, order="sorted").decode(),
        payload=msgspec.json.encode(schedule.payload).decode(),
        attempt_limit=None if kind is None else kind.handler.retry.attempts,
        retry_pause=None if kind is None else kind.handler.retry.pause,
    )


def _request(schedule: Schedule, trigger: str, labels: Mapping[str, str], request_id: str = "") -> Request:
    return Request(
        kind=schedule.kind,
        title=schedule.title,
        priority=schedule.priority,
        pool=schedule.pool,
        trigger=trigger,
        labels=schedule.labels | dict(labels),
        payload=msgspec.json.encode(schedule.payload),
        request_id=request_id,
    )
