"""The contract of schedules: what is to be made when, and the ledger of what became of every tick.

The rules of store/port.py hold here too.  What decides is core/schedules.py; the store keeps one promise: a tick is
decided once, whoever leads and however often a call is made again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

import msgspec

from windlass.core.schedules import Plan, Schedule, Standing, TickOutcome
from windlass.errors import ScheduleChanged, ScheduleExists
from windlass.store.facts import Membership, NewTask, Note, Page, Receipt


class TickFacts(msgspec.Struct, frozen=True):
    """One line of the ledger; `at` is when it was decided."""

    id: int
    schedule: str
    due_at: datetime
    at: datetime
    outcome: TickOutcome
    reason: str
    task: int | None


class ScheduleFacts(msgspec.Struct, frozen=True):
    """A schedule as it stood at the read.

    `owner` is the plugin that registered it, None when an operator made it.  `revision` counts changes by people;
    `turn` every write, so that what was planned from this read is refused after any other.  `busy` is its last task
    when that is not over.  `last_tick` is the newest line of its ledger; `Schedules.due` leaves it out.
    """

    schedule: Schedule
    owner: str | None
    revision: int
    turn: int
    created_at: datetime
    since: datetime
    resumed_at: datetime | None
    next_at: datetime
    last_task: int | None
    busy: int | None
    last_tick: TickFacts | None = None

    @property
    def standing(self) -> Standing:
        return Standing(self.created_at, self.since, self.schedule.paused, self.resumed_at, self.busy)


class Due(msgspec.Struct, frozen=True):
    """What is to be looked at now, by the store's clock.

    `wait` is the seconds to the next that is not due yet; None when there is none.
    """

    now: datetime
    schedules: tuple[ScheduleFacts, ...]
    wait: float | None


class Firing(msgspec.Struct, frozen=True):
    """A plan made from a read at `turn`; `tasks` are those of the ticks that fire, in their order."""

    name: str
    turn: int
    plan: Plan
    tasks: tuple[NewTask, ...] = ()


class Schedules(ABC):
    @abstractmethod
    async def put(
        self, schedule: Schedule, *, owner: str | None, revision: int | None = None, note: Note | None = None
    ) -> ScheduleFacts:
        """Make or change one.  A change keeps whether it is paused; one of its times settles what was due before.

        `revision` is the one the caller read; 0: there must be none, else `ScheduleExists`; None: whatever is there.
        Raises `ScheduleNotFound`, or `ScheduleChanged`, also when it belongs to another owner.
        """

    @abstractmethod
    async def get(self, name: str) -> ScheduleFacts:
        """Raises `ScheduleNotFound`."""

    @abstractmethod
    async def list(self, size: int, after: str = "") -> Page[ScheduleFacts]:
        """By name; `after` is the last name of the page before."""

    @abstractmethod
    async def delete(
        self, name: str, *, owner: str | None, revision: int | None = None, note: Note | None = None
    ) -> None:
        """Remove it; its ledger stays.  Raises as `put` does."""

    @abstractmethod
    async def pause(self, name: str, *, paused: bool, note: Note | None = None) -> ScheduleFacts:
        """Stop or go on.  Ticks of the pause are skipped, also those found out later.  Raises `ScheduleNotFound`."""

    @abstractmethod
    async def due(self, limit: int) -> Due:
        """The schedules whose time has come, or that were changed, longest due first."""

    @abstractmethod
    async def fire(self, membership: Membership, firing: Firing) -> tuple[Receipt, ...] | None:
        """Write the ticks down, store their tasks, and move on to the next: all of it or nothing.

        None when the term is over, or the schedule has been written since it was read.
        """

    @abstractmethod
    async def run_now(self, name: str, task: NewTask, by: str) -> Receipt:
        """Store a task with its line in the ledger.  Raises `ScheduleNotFound`, or as `Queue.enqueue` does."""

    @abstractmethod
    async def ledger(self, name: str, size: int, after: int | None = None) -> Page[TickFacts]:
        """Newest first; `after` is the last id of the page before.  A name without ticks has an empty page."""

    @abstractmethod
    async def prune(self, membership: Membership, keep: float, limit: int) -> int:
        """Remove up to `limit` lines older than `keep` seconds; how many.  Only the leader's."""


def refusal(facts: ScheduleFacts, owner: str | None) -> ScheduleChanged:
    """Why a change of this schedule is refused."""
    name = facts.schedule.name
    if facts.owner == owner:
        said = f"schedule {name!r} stands at revision {facts.revision} by now: read it again"
        return ScheduleChanged(said, schedule=name, revision=facts.revision)
    whose = "an operator" if facts.owner is None else f"plugin {facts.owner}"
    return ScheduleChanged(f"schedule {name!r} belongs to {whose}; it can be paused, not changed", schedule=name)


def exists_already(name: str) -> ScheduleExists:
    return ScheduleExists(f"there is a schedule {name!r} already; update it, or choose another name", schedule=name)
