"""Decides what results mean: up, down, flapping, and since when.  No I/O and no clock: results bring their times.

Two layers.  The *steady* state is up or down once enough results in a row say so.  What people see is that, or
"flapping" while it changed too often: from `flap_changes` changes within `flap_window` until a whole window has passed
without one.  Under flapping the steady state goes on changing, and nobody is told.

Results may come late, from an attempt that was held up.  One that is older than the newest changes nothing.  Clocks of
nodes differ, though, and one that was far ahead would make every later result look late: so what is older by more than
`LATE` is believed.  An attempt can't be late by more than that, its lease is shorter.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from windlass_checks.durations import said

Steady = Literal["unknown", "up", "down"]
Shown = Literal["unknown", "up", "down", "flapping"]
Few = Annotated[int, msgspec.Meta(ge=1, le=100)]

LATE = timedelta(minutes=5)
POINTS = 24
"""Response times kept beside the state, for a sparkline."""


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When results in a row mean a change."""

    fail_after: Few = 2
    """Failures in a row until it is down."""
    recover_after: Few = 1
    """Successes in a row until it is up."""
    flap_changes: Annotated[int, msgspec.Meta(ge=2, le=50)] = 5
    """So many changes between up and down within `flap_window` are flapping."""
    flap_window: Annotated[float, msgspec.Meta(ge=1, le=30 * 86_400)] = 900.0
    """Seconds; it is calm again after as long without a change."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one look found.  `task` is the task that looked."""

    at: datetime
    ok: bool
    verdict: str
    response_ms: float | None = None
    warning: str = ""
    task: int = 0


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """A change that people are told of.  `streak`: how many results in a row said so; `task`: whose was the last."""

    before: Shown
    after: Shown
    at: datetime
    since: datetime
    streak: int
    verdict: str
    task: int
    lasted: float | None = None
    """Seconds that the state before had lasted."""
    changes: int = 0
    """Within the window, for flapping."""


class State(msgspec.Struct, frozen=True, kw_only=True):
    """Where a check stands.  `streak` results in a row are as `last` is, the first of them at `streak_began`."""

    shown: Shown = "unknown"
    since: datetime | None = None
    steady: Steady = "unknown"
    streak: int = 0
    streak_began: datetime | None = None
    changes: tuple[datetime, ...] = ()
    """Of the steady state, the newest last: those that may still count as flapping."""
    last: Result | None = None
    transition: Transition | None = None
    """The newest."""
    recent: tuple[float | None, ...] = ()
    """Response times in milliseconds, the newest last; None for a failure."""


class Folded(msgspec.Struct, frozen=True):
    """`transition` is what this result brought about, if anything."""

    state: State
    transition: Transition | None = None
    is_late: bool = False


def fold(state: State, result: Result, rules: Rules) -> Folded:
    """The state after one more result."""
    if state.last is not None and timedelta(0) <= state.last.at - result.at <= LATE:
        return Folded(state, is_late=True)
    began, streak = result.at, 1
    if state.last is not None and state.last.ok == result.ok:
        began, streak = state.streak_began or result.at, state.streak + 1
    steady = _steady(state.steady, result.ok, streak, rules)
    changes = _changes(state, steady, result.at, rules)
    shown = _shown(state, steady, changes, rules)
    since = state.since if shown == state.shown else result.at if shown == "flapping" else began
    new = replace(
        state,
        shown=shown,
        since=since,
        steady=steady,
        streak=streak,
        streak_began=began,
        changes=changes,
        last=result,
        recent=(*state.recent, result.response_ms if result.ok else None)[-POINTS:],
    )
    if shown == state.shown:
        return Folded(new)
    transition = _transition(state, new, result)
    return Folded(replace(new, transition=transition), transition)


def _steady(before: Steady, ok: bool, streak: int, rules: Rules) -> Steady:
    if ok:
        return "up" if streak >= rules.recover_after else before
    return "down" if streak >= rules.fail_after else before


def _changes(state: State, steady: Steady, at: datetime, rules: Rules) -> tuple[datetime, ...]:
    changes = state.changes
    if state.steady not in (steady, "unknown"):
        changes = (*changes, at)
    return tuple(change for change in changes if abs((at - change).total_seconds()) < rules.flap_window)


def _shown(state: State, steady: Steady, changes: tuple[datetime, ...], rules: Rules) -> Shown:
    if state.shown == "flapping":
        return "flapping" if changes else steady
    return "flapping" if len(changes) >= rules.flap_changes else steady


def _transition(before: State, after: State, result: Result) -> Transition:
    assert after.since is not None
    lasted = None if before.since is None else max(0.0, (after.since - before.since).total_seconds())
    return Transition(
        before=before.shown,
        after=after.shown,
        at=result.at,
        since=after.since,
        streak=after.streak,
        verdict=result.verdict,
        task=result.task,
        lasted=lasted,
        changes=len(after.changes) or len(before.changes),
    )


def in_words(transition: Transition) -> str:
    """ "down since 10:04 UTC after 2 failures: connection refused"."""
    since = f"{transition.after} since {transition.since:%H:%M} UTC"
    if transition.after == "flapping":
        return f"{since}: {transition.changes} changes between up and down; nothing more is told until it is calm"
    if transition.before == "flapping":
        return f"calm again after flapping: {since}: {transition.verdict}"
    if transition.after == "down":
        failures = "1 failure" if transition.streak == 1 else f"{transition.streak} failures"
        return f"{since} after {failures}: {transition.verdict}"
    if transition.before == "down" and transition.lasted is not None:
        return f"{since}, after {said(transition.lasted)} down: {transition.verdict}"
    return f"{since}: {transition.verdict}"


def is_overdue(state: State, every: float, timeout: float, now: datetime) -> bool:
    """Nothing was heard for three times its interval: what is shown may not be so any more."""
    return state.last is not None and (now - state.last.at).total_seconds() > 3 * every + timeout + 60.0
