"""When schedules are due, and which of their ticks make a task.

A tick is one moment a schedule names.  Each gets exactly one line in the ledger: ran, caught up, or skipped and why.
Ticks are worked out from three times: where the schedule stands (everything up to then is settled), now, and, for
intervals, when the schedule was made.  Nothing is carried from tick to tick, so nothing drifts.

Daylight saving follows Debian's cron, as cronsim does.  A fixed time that falls into the hour that is left out comes
right after it, once; one that falls into the hour that comes twice comes in the first of the two.  A minute or hour
field that begins with a star goes by elapsed time: it comes in both hours, and not in the one that is left out.
"""

from __future__ import annotations

import difflib
import re
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import msgspec
from cronsim import CronSim, CronSimError

from windlass.errors import ScheduleInvalid

LATE = timedelta(seconds=60)
"""A tick this late is still on time: a change of leader takes about ten seconds."""
MOST_CAUGHT_UP = 100
MOST_KEPT = 1_000
"""So many missed ticks get a line each; what was missed before them shares one."""
RECENT = timedelta(days=7)
"""Looked at first: a year of minutes need not be walked to find the newest thousand."""
SHORTEST_INTERVAL = 1.0
LONGEST_INTERVAL = 366 * 86_400.0
LONGEST_NAME = 100
NAME = re.compile(rf"[A-Za-z0-9._-]{{1,{LONGEST_NAME}}}")
"""Part of addresses, so nothing in it needs quoting."""
CRON_FIELDS = {
    "minute": "0-59",
    "hour": "0-23",
    "day-of-month": "1-31, L or LW, and a day its months have",
    "month": "1-12 or JAN-DEC",
    "day-of-week": "0-7 or SUN-SAT",
}


class CatchUp(StrEnum):
    """What becomes of ticks that nobody was there for."""

    SKIP = "skip"
    ONE = "one"
    """The newest makes one task for all of them."""
    ALL = "all"
    """Each makes its task, up to the newest hundred."""


class Overlap(StrEnum):
    """What becomes of a tick while the task of the one before is not over."""

    SKIP = "skip"
    ALLOW = "allow"


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is to be made when: exactly one of `cron` (five fields, read in `zone`) or `interval` (seconds).

    `payload` is anything msgspec can encode as JSON.  An empty title or pool means the kind's own.  `paused` is how a
    new schedule begins; a change of an old one leaves it as it is.
    """

    name: str
    kind: str
    cron: str | None = None
    zone: str = "UTC"
    interval: float | None = None
    payload: Any = {}
    title: str = ""
    priority: int | None = None
    pool: str = ""
    labels: dict[str, str] = {}
    catch_up: CatchUp = CatchUp.ONE
    overlap: Overlap = Overlap.SKIP
    paused: bool = False


class TickOutcome(IntEnum):
    """What became of a tick.  The numbers are stored and sent."""

    RAN = 1
    SKIPPED = 2
    CAUGHT_UP = 3
    BY_HAND = 4


class Tick(msgspec.Struct, frozen=True):
    due_at: datetime
    outcome: TickOutcome
    reason: str = ""

    @property
    def fires(self) -> bool:
        return self.outcome is not TickOutcome.SKIPPED


class Standing(msgspec.Struct, frozen=True):
    """Where a schedule stands: made at `anchor`, settled up to `since`; `busy` is its last task if not over."""

    anchor: datetime
    since: datetime
    paused: bool = False
    resumed_at: datetime | None = None
    busy: int | None = None


class Plan(msgspec.Struct, frozen=True):
    """The ticks that are due, oldest first; everything up to `settled` is decided; the next is due at `next_at`."""

    ticks: tuple[Tick, ...]
    settled: datetime
    next_at: datetime


def due_ticks(schedule: Schedule, standing: Standing, now: datetime) -> Plan:
    """What is due between where the schedule stands and now, what becomes of each, and when to look again."""
    due, is_cut = _due(schedule, standing, now)
    fate = [Tick(at, *_fate(schedule, standing, due, at, now)) for at in due]
    if is_cut:
        first = next(ticks(schedule, standing.anchor, standing.since))
        shared = f"missed, and with it every tick before {due[0].isoformat()}: an outage this long is told in short"
        fate.insert(0, Tick(first, TickOutcome.SKIPPED, shared))
    settled = max(standing.since, now)
    return Plan(tuple(fate), settled, next(ticks(schedule, standing.anchor, settled)))


def ticks(schedule: Schedule, anchor: datetime, after: datetime) -> Iterator[datetime]:
    """Every tick after `after`, in UTC, without an end."""
    if schedule.interval is not None:
        step = timedelta(seconds=schedule.interval)
        number = max(0, (after - anchor) // step)
        while True:
            number += 1
            yield anchor + number * step
    assert schedule.cron is not None
    last = after
    for local in CronSim(schedule.cron, after.astimezone(ZoneInfo(schedule.zone))):
        at = local.astimezone(UTC)
        # Begun in the second of two equal hours, cronsim tells of the first again.
        if at > last:
            last = at
            yield at


def _due(schedule: Schedule, standing: Standing, now: datetime) -> tuple[Sequence[datetime], bool]:
    """The newest ticks that are due, and whether older ones were left out."""
    for back in (RECENT, now - standing.since):
        start = max(standing.since, now - back)
        if schedule.interval is not None:
            # Sums need no walk.
            start = max(start, now - (MOST_KEPT + 1) * timedelta(seconds=schedule.interval))
        found = takewhile(lambda at: at <= now, ticks(schedule, standing.anchor, start))
        due = deque(found, maxlen=MOST_KEPT)
        if len(due) == MOST_KEPT:
            break
    return due, bool(due) and next(ticks(schedule, standing.anchor, standing.since)) < due[0]


def _fate(
    schedule: Schedule, standing: Standing, due: Sequence[datetime], at: datetime, now: datetime
) -> tuple[TickOutcome, str]:
    on_time = at == due[-1] and now - at <= LATE
    if standing.paused or (standing.resumed_at is not None and at <= standing.resumed_at):
        return TickOutcome.SKIPPED, "paused"
    if not on_time and (missed := _not_caught_up(schedule.catch_up, due, at)):
        return TickOutcome.SKIPPED, missed
    if standing.busy is not None and schedule.overlap is Overlap.SKIP:
        return TickOutcome.SKIPPED, f"task {standing.busy} of an earlier tick is not over"
    return (TickOutcome.RAN if on_time else TickOutcome.CAUGHT_UP), ""


def _not_caught_up(policy: CatchUp, due: Sequence[datetime], at: datetime) -> str:
    if policy is CatchUp.SKIP:
        return "missed: nobody was there when it was due"
    if policy is CatchUp.ONE and at != due[-1]:
        return "missed: a later tick stands for it"
    if policy is CatchUp.ALL and len(due) > MOST_CAUGHT_UP and at < due[-MOST_CAUGHT_UP]:
        return f"missed: no more than {MOST_CAUGHT_UP} are caught up"
    return ""


def check_schedule(schedule: Schedule) -> None:
    """Raises `ScheduleInvalid`, which names the field and says what to change."""
    if not NAME.fullmatch(schedule.name):
        allowed = f"1 to {LONGEST_NAME} characters of a-z, A-Z, 0-9, '.', '_', '-'"
        wrong = f"a schedule's name has {allowed}; {schedule.name[:LONGEST_NAME]!r} does not"
        raise ScheduleInvalid(wrong, field="schedule.name")
    if (schedule.cron is None) == (schedule.interval is None):
        wrong = f"schedule {schedule.name} needs exactly one of cron and interval"
        raise ScheduleInvalid(wrong, field="schedule.cron")
    if schedule.interval is not None and not SHORTEST_INTERVAL <= schedule.interval <= LONGEST_INTERVAL:
        wrong = f"schedule {schedule.name}: interval must be from 1 s to 366 days, not {schedule.interval} s"
        raise ScheduleInvalid(wrong, field="schedule.interval")
    if schedule.catch_up is CatchUp.ALL and schedule.overlap is Overlap.SKIP:
        wrong = f"schedule {schedule.name}: catching up all ticks makes several tasks at once, so set overlap to allow"
        raise ScheduleInvalid(wrong, field="schedule.overlap")
    if schedule.cron is not None:
        _check_zone(schedule.name, schedule.zone)
        _check_cron(schedule.name, schedule.cron)


def _check_zone(name: str, zone: str) -> None:
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        known = {each.lower(): each for each in available_timezones()}
        near = difflib.get_close_matches(zone.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]}?" if near else "use an IANA name, such as Europe/Berlin"
        wrong = f"schedule {name}: there is no time zone {zone[:LONGEST_NAME]!r}; {hint}"
        raise ScheduleInvalid(wrong, field="schedule.time_zone") from None


def _check_cron(name: str, cron: str) -> None:
    fields = cron.split()
    if len(fields) != len(CRON_FIELDS):
        five = ", ".join(CRON_FIELDS)
        wrong = f"schedule {name}: cron {cron[:LONGEST_NAME]!r} has {len(fields)} fields, not five ({five})"
        raise ScheduleInvalid(wrong, field="schedule.cron")
    try:
        comes = next(CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)), None) is not None
    except CronSimError as error:
        which = str(error).removeprefix("Bad ")
        text = dict(zip(CRON_FIELDS, fields, strict=True)).get(which, cron)
        wrong = f"schedule {name}: {which} {text[:LONGEST_NAME]!r} is wrong in cron {cron[:LONGEST_NAME]!r}"
        hint = f" ({CRON_FIELDS[which]}; *, lists, ranges and steps)" if which in CRON_FIELDS else ""
        raise ScheduleInvalid(wrong + hint, field="schedule.cron") from None
    if not comes:
        wrong = f"schedule {name}: cron {cron[:LONGEST_NAME]!r} names a moment that never comes"
        raise ScheduleInvalid(wrong, field="schedule.cron")
