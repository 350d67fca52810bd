"""Health signals: their form, and from when on something is one."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum

import msgspec


class Severity(IntEnum):
    """The numbers are sent."""

    WARNING = 1
    CRITICAL = 2


class Signal(msgspec.Struct, frozen=True):
    """Something that is wrong.  `name` is a stable word; `subjects` are what it is about: `pools/x`, `tasks/12`, …"""

    name: str
    severity: Severity
    summary: str
    checks: tuple[str, ...]
    subjects: tuple[str, ...] = ()
    since: datetime | None = None


class Thresholds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From when on something is a signal.  Seconds, unless it says otherwise."""

    idle: float = 15.0
    """Due work beside a free slot.  A look finds it within a second; other causes than a fault are over by then."""
    backlog: float = 300.0
    """A backlog that is no smaller after so long.  Bursts are shorter than five minutes, as a rule."""
    backlog_least: int = 100
    """Tasks.  Fewer are no backlog: a pool of one slot has some waiting all day."""
    silent: float = 3_600.0
    """A task that executes and of which nothing was heard for so long.  Those that say something may take days."""
    overdue: float = 60.0
    """Beyond a run deadline, whose ladder takes half a minute."""
    cancelling: float = 30.0
    """Beyond what the graces of its kind add up to: then nobody climbs its ladder."""
    window: float = 3_600.0
    """How far back ends are looked at.  What failed before has been seen, or is over."""
    at_limit: int = 3
    """Tasks in the window that failed at their last attempt; one may be bad luck."""
    failed: int = 10
    """Tasks in the window; with fewer, a share says nothing."""
    failed_share: float = 0.2
    """Of all that ended in the window, all kinds together."""
    in_a_row: int = 5
    """Failures of one kind without a success between them."""
    lost: float = 600.0
    """How long a lost node is shown: long enough to be seen, not so long that nobody looks any more."""
