"""The viewer's days: in the zone that the browser names in a cookie (app.js), so that the server's headings are right.

A cookie, because the page is then drawn once: with an offset sent after it, every heading would move.  The name of a
zone and not its offset, because a list goes back over changes of the clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import groupby
from zoneinfo import ZoneInfo

from starlette.requests import Request
from windlass_client import Card

COOKIE = "windlass_zone"


@dataclass(frozen=True, slots=True)
class Day:
    """What was made on one day; `date` is None for what does not say when."""

    date: date | None
    cards: tuple[Card, ...]

    @property
    def words(self) -> str:
        return f"{self.date:%A}, {self.date.day} {self.date:%B %Y}" if self.date else "At an unknown time"


def zone_of(request: Request) -> tzinfo:
    """The viewer's; UTC when the browser does not say, or names one that is not known here."""
    try:
        return ZoneInfo(request.cookies.get(COOKIE) or "UTC")
    except (ValueError, OSError, LookupError):
        return UTC


def by_day(cards: Iterable[Card], zone: tzinfo) -> list[Day]:
    """The cards in their order, a new day wherever the day changes."""

    def day_of(card: Card) -> date | None:
        return card.task.created.astimezone(zone).date() if card.task.created else None

    return [Day(day, tuple(those)) for day, those in groupby(cards, key=day_of)]


def bounds(day: date, zone: tzinfo) -> tuple[datetime, datetime]:
    """When it begins and when the next one does, in UTC: 23 to 25 hours apart."""
    begin, end = (datetime.combine(each, time(), zone) for each in (day, day + timedelta(days=1)))
    return begin.astimezone(UTC), end.astimezone(UTC)
