"""Fires schedules when they are due; sleeps to the next one's time.

Whatever the leader missed (a change of leader, a database that was away) it finds at its next look: what becomes of
it the catch-up policies decide (core/schedules.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime

import structlog
from msgspec.structs import replace

from windlass import telemetry
from windlass.core.schedules import due_ticks
from windlass.errors import StoreUnavailable
from windlass.host.plugins import Kind
from windlass.host.schedules import task_of
from windlass.host.service import Bell, Service
from windlass.store.facts import Membership, NewTask
from windlass.store.schedules import Firing, ScheduleFacts, Schedules

log = structlog.get_logger()

AT_ONCE = 100
LONGEST_SLEEP = 3.0
"""A schedule that was changed on another node is seen this late when hints do not come."""
AFTER_REFUSAL = 0.5
PRUNE_SECONDS = 600.0
PRUNE_AT_ONCE = 1_000
KEEP_SECONDS = 30 * 86_400.0
"""How long the ledger remembers."""


class Scheduler(Service):
    """`on_stored` is told of the tasks made here; `now` gives monotonic seconds."""

    def __init__(
        self,
        schedules: Schedules,
        membership: Callable[[], Membership | None],
        kinds: Mapping[str, Kind],
        on_stored: Callable[[Sequence[NewTask]], None],
        now: Callable[[], float],
    ) -> None:
        self._schedules = schedules
        self._membership = membership
        self._kinds = kinds
        self._on_stored = on_stored
        self._now = now
        self._pruned_at = float("-inf")
        self._bell = Bell()

    def look(self) -> None:
        """A schedule may be due sooner than was known."""
        self._bell.ring()

    async def run(self) -> None:
        while True:
            membership = self._membership()
            sleep = LONGEST_SLEEP if membership is None else await self._round(membership)
            if sleep:
                await self._bell.wait(sleep)

    async def _round(self, membership: Membership) -> float:
        """Fire what is due; the seconds until there is more to do."""
        if self._now() - self._pruned_at > PRUNE_SECONDS:
            await self._prune(membership)
        due = await self._schedules.due(AT_ONCE)
        fired = [await self._fire(membership, facts, due.now) for facts in due.schedules]
        if any(fired):
            return 0.0
        # What is due and was refused (another leads, or somebody changed it) is not asked for again at once: a storm.
        longest = AFTER_REFUSAL if fired else LONGEST_SLEEP
        return longest if due.wait is None else min(max(due.wait, 0.0), longest)

    async def _fire(self, membership: Membership, facts: ScheduleFacts, now: datetime) -> bool:
        try:
            plan = due_ticks(facts.schedule, facts.standing, now)
            tasks = tuple(task_of(facts.schedule, tick.due_at, self._kinds) for tick in plan.ticks if tick.fires)
            with _told(facts.schedule.name) if tasks else nullcontext():
                tasks = tuple(replace(task, trace=telemetry.trace_here()) for task in tasks)
                receipts = await self._schedules.fire(membership, Firing(facts.schedule.name, facts.turn, plan, tasks))
        except StoreUnavailable:
            raise
        except Exception:
            # One that can't be fired must not stand in the others' way.
            log.exception("a schedule can't be fired", schedule=facts.schedule.name)
            return False
        if receipts:
            self._on_stored(tasks)
        return receipts is not None

    async def _prune(self, membership: Membership) -> None:
        while await self._schedules.prune(membership, KEEP_SECONDS, PRUNE_AT_ONCE) == PRUNE_AT_ONCE:
            pass
        self._pruned_at = self._now()


def _told(schedule: str) -> AbstractContextManager[None]:
    """What a schedule makes begins a trace of its own."""
    spans = telemetry.spans
    return nullcontext() if spans is None else spans.enqueuing(f"fire {schedule}", None, schedule=schedule)
