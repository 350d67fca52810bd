"""Health classes of feeds: how long ago did a feed's coverage change last, and what goes before that.

No I/O and no clock.  The class that a page shows is the one kept in the feed's facts: a clean rebuild needs no clock,
and a class moves only when somebody settles it (`windlass_entities.engine`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Literal

import msgspec

Health = Literal["healthy", "delayed", "risky", "archived", "unmaintained", "empty", "unavailable"]
Minutes = Annotated[int, msgspec.Meta(ge=0)]

KEPT = 20
"""Transitions that a tree remembers."""


class Thresholds(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In minutes.  Lateness is what goes beyond `grace` since the last change; each class begins above its number."""

    grace: Minutes = 14_400
    delayed: Minutes = 10_080
    risky: Minutes = 43_200
    archived: Minutes = 86_400

    def __post_init__(self) -> None:
        if not self.delayed <= self.risky <= self.archived:
            raise ValueError(
                "delayed ≤ risky ≤ archived must hold, "
                f"but they are {self.delayed}, {self.risky} and {self.archived} minutes"
            )


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What the class of a feed depends on, beside the time."""

    available: bool
    unique_ips: int
    maintained: bool
    last_change: datetime | None


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A feed went from one class to another.  `at`: when somebody noticed."""

    feed: str
    before: Health
    after: Health
    at: datetime


def health_of(condition: Condition, thresholds: Thresholds, now: datetime) -> Health:
    """What can't be read comes first, then what holds nothing, then what nobody looks after, then lateness."""
    if not condition.available:
        return "unavailable"
    if not condition.unique_ips:
        return "empty"
    if not condition.maintained:
        return "unmaintained"
    if condition.last_change is None:
        return "unavailable"
    return _by_lateness((now - condition.last_change).total_seconds() / 60 - thresholds.grace, thresholds)


def _by_lateness(minutes: float, thresholds: Thresholds) -> Health:
    if minutes > thresholds.archived:
        return "archived"
    if minutes > thresholds.risky:
        return "risky"
    if minutes > thresholds.delayed:
        return "delayed"
    return "healthy"


def kept(before: Iterable[Transition], new: Iterable[Transition]) -> tuple[Transition, ...]:
    """The last `KEPT`, the newest last.  Those of one moment stand by name: the order of work leaves no trace."""
    together = sorted({*before, *new}, key=lambda each: (each.at, each.feed, each.before, each.after))
    return tuple(together[-KEPT:])
