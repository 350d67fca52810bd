"""The checks in the overview: how many are up, and the others with what to look at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from windlass import Documents, HealthLine, HealthSection

from windlass_checks import records
from windlass_checks.durations import said
from windlass_checks.judging import is_overdue
from windlass_checks.records import Stored

MOST = 500
"""Checks that are looked through: the overview has half a second for it."""
SUMMED = ("up", "down", "flapping", "overdue", "unknown")
MOST_NAMED = 200
ORDER = {"down": 0, "flapping": 1, "overdue": 2, "warning": 3}


async def section_of(documents: Documents, now: datetime) -> HealthSection | None:
    """None when nothing was ever checked."""
    return section({name: stored async for name, stored in records.everything(documents, MOST)}, now)


def section(checks: Mapping[str, Stored], now: datetime) -> HealthSection | None:
    if not checks:
        return None
    states = {name: _state(stored, now) for name, stored in checks.items()}
    counts = Counter("up" if state == "warning" else state for state in states.values())
    summary = ", ".join(f"{counts[state]} {state}" for state in SUMMED if counts[state])
    wrong = sorted((ORDER[state], name) for name, state in states.items() if state in ORDER)
    lines = [_line(name, states[name], checks[name], now) for _, name in wrong]
    data = {"counts": dict(counts), "wrong": {name: states[name] for _, name in wrong[:MOST_NAMED]}}
    return HealthSection("Checks", summary, lines, data)


def _state(stored: Stored, now: datetime) -> str:
    if stored.every is not None and is_overdue(stored, stored.every, stored.timeout, now):
        return "overdue"
    if stored.shown == "up" and stored.last is not None and stored.last.warning:
        return "warning"
    return stored.shown


def _line(name: str, state: str, stored: Stored, now: datetime) -> HealthLine:
    assert stored.last is not None
    if state == "overdue":
        silent = said((now - stored.last.at).total_seconds())
        words = f"nothing heard for {silent}, last {stored.shown}"
        return HealthLine(name, f"{words}: is its schedule paused, or is it no more (checks.forget)?", True)
    if state == "warning":
        return HealthLine(name, stored.last.warning, True)
    lasting = f" for {said((now - stored.since).total_seconds())}" if stored.since is not None else ""
    return HealthLine(name, f"{state}{lasting}: {stored.last.verdict}; {stored.advice}", True)
