"""The pages in the overview: what was published last, how the feeds stand, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
from windlass import HealthLine, HealthSection

from windlass_entities.records import Checked, Moved, Publication

SHOWN_TRANSITIONS = 5
ORDER = ("unavailable", "archived", "risky", "delayed", "empty", "unmaintained", "healthy")


def section(published: Publication | None, checked: Checked | None, now: datetime) -> HealthSection:
    """Of what is remembered: nothing is scanned because somebody looks."""
    lines = [*_published(published, now), *_checked(checked, now), *_moved(published, now)]
    return HealthSection("Entities", _summary(published, checked), lines, _data(published, checked))


def _summary(published: Publication | None, checked: Checked | None) -> str:
    if published is None:
        return "nothing published yet"
    said = [
        f"generation {published.generation}",
        f"{published.countries:,} countries",
        f"{published.asns:,} ASNs",
        f"{published.feeds:,} feeds",
    ]
    if checked is not None and checked.total:
        said.append(f"{checked.total:,} findings")
    return ", ".join(said)


def _published(published: Publication | None, now: datetime) -> Iterator[HealthLine]:
    if published is None:
        return
    changed = f"{published.written:,} written, {published.removed:,} removed"
    by = f"task {published.task} ({published.kind}, {published.trigger})"
    yield HealthLine("published", f"{ago(now, published.at)}, {changed}, by {by}")
    classes = [f"{published.health[name]} {name}" for name in ORDER if published.health.get(name)]
    yield HealthLine("feeds", ", ".join(classes) or "none", is_alarming="unavailable" in published.health)


def _checked(checked: Checked | None, now: datetime) -> Iterator[HealthLine]:
    if checked is None:
        yield HealthLine("checked", "not yet")
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in sorted(checked.counts.items()))
    yield HealthLine("checked", f"{ago(now, checked.at)}: {kinds or 'all is well'}", is_alarming=bool(checked.total))
    if checked.deferred:
        advice = "too many to be repaired unasked: windlass entities repair"
        yield HealthLine("deferred", f"{checked.deferred:,} targets, {advice}", is_alarming=True)


def _moved(published: Publication | None, now: datetime) -> Iterator[HealthLine]:
    moved: list[Moved] = [] if published is None else published.transitions[-SHOWN_TRANSITIONS:]
    for each in reversed(moved):
        yield HealthLine(each.feed, f"{each.before} → {each.after}, {ago(now, each.at)}")


def _data(published: Publication | None, checked: Checked | None) -> dict[str, Any]:
    return {
        "published": msgspec.to_builtins(published),
        "checked": None if checked is None else {**msgspec.to_builtins(checked), "findings": None},
    }


def ago(now: datetime, then: datetime) -> str:
    """ "3 min ago"."""
    seconds = max(0.0, (now - then).total_seconds())
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
