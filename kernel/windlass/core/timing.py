"""A schedule's times for people: its next ticks, and its timing in words."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from cronsim import CronSim

from windlass.core.schedules import Schedule, Standing, ticks

UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def next_ticks(schedule: Schedule, standing: Standing, now: datetime, count: int) -> list[datetime]:
    """Its next `count` ticks, in UTC; none while it is paused: they would be skipped."""
    if standing.paused:
        return []
    return list(islice(ticks(schedule, standing.anchor, max(standing.since, now)), count))


def timing_text(schedule: Schedule) -> str:
    """When it comes, as one says it: "at 04:30 every day, Europe/Berlin", "every 1 hour 30 minutes"."""
    if schedule.interval is not None:
        return f"every {_span(schedule.interval)}"
    assert schedule.cron is not None
    words = CronSim(schedule.cron, ANY_TIME).explain()
    return f"{words[0].lower()}{words[1:]}, {schedule.zone}"


def _span(seconds: float) -> str:
    parts: list[str] = []
    for unit, length in UNITS:
        number, seconds = divmod(seconds, length)
        if number:
            parts.append(_counted(number, unit))
    if seconds:
        parts.append(_counted(round(seconds, 3), "second"))
    return parts[0].removeprefix("1 ") if len(parts) == 1 else " ".join(parts)


def _counted(number: float, unit: str) -> str:
    return f"{number:g} {unit}{'' if number == 1 else 's'}"
