"""What the overview shows: the last good backup of each source, and which are overdue."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from windlass import HealthLine, HealthSection

from windlass_backups.choosing import shelf_of
from windlass_backups.manifest import Manifest, Tree
from windlass_backups.packing import size
from windlass_backups.planning import longest_gap
from windlass_backups.settings import BackupsSettings

_PATIENCE = 2
"""A backup is overdue when it is older than so many of its schedule's gaps."""


class Health:
    """A target may hang, as network mounts do: there is never more than one look under way."""

    def __init__(self, settings: BackupsSettings) -> None:
        self._settings = settings
        self._looking: asyncio.Task[list[Standing]] | None = None

    async def section(self) -> HealthSection | None:
        """None where nothing is configured."""
        if not self._settings.sources:
            return None
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(standings, self._settings))
        # The hook is given up after half a second, and the look goes on.
        return described(await asyncio.shield(self._looking), datetime.now(UTC), self._settings)


Standing = tuple[str, str, Manifest | None]
"""A source, a target it goes to, and its last good backup there."""


def standings(settings: BackupsSettings) -> list[Standing]:
    return [
        (source, target, next((each for each in shelf_of(settings, target, source).backups() if each.is_good), None))
        for source in settings.sources
        for target in settings.targets_of(source)
    ]


def described(found: list[Standing], now: datetime, settings: BackupsSettings) -> HealthSection:
    """The section, from what was found at `now`."""
    lines = [_line(*standing, now, settings) for standing in found]
    data = [_data(*standing, now, settings) for standing in found]
    return HealthSection("Backups", _summary(lines, [last for *_, last in found]), lines, data)


def _summary(lines: list[HealthLine], last: list[Manifest | None]) -> str:
    if wrong := sum(line.is_alarming for line in lines):
        return f"{wrong} of {len(lines)} need{'s' * (wrong == 1)} a look"
    if missing := last.count(None):
        return f"{missing} of {len(lines)} without a backup yet"
    return f"{len(lines)} up to date"


def _line(source: str, target: str, last: Manifest | None, now: datetime, settings: BackupsSettings) -> HealthLine:
    name = f"{source} on {target}"
    is_overdue = _is_overdue(source, last, now, settings)
    if last is None:
        return HealthLine(name, "no good backup", is_alarming=is_overdue)
    words = [f"{_age(now, last.started)} old", size(last.stored)]
    words.append(f"proved {_age(now, last.verified.at)} ago" if last.verified else "not proved")
    missing = last.holds.unreadable if isinstance(last.holds, Tree) else 0
    if missing:
        words.append(f"{missing:,} unreadable")
    if is_overdue:
        words.append("overdue")
    return HealthLine(name, ", ".join(words), is_alarming=is_overdue or missing > 0)


def _data(source: str, target: str, last: Manifest | None, now: datetime, settings: BackupsSettings) -> dict[str, Any]:
    return {
        "source": source,
        "target": target,
        "backup": last.backup if last else None,
        "started": last.started if last else None,
        "verified": last.verified.at if last and last.verified else None,
        "overdue": _is_overdue(source, last, now, settings),
    }


def _is_overdue(source: str, last: Manifest | None, now: datetime, settings: BackupsSettings) -> bool:
    gap = longest_gap(settings.sources[source])
    if gap is None:
        return False
    return last is None or (now - last.started).total_seconds() > _PATIENCE * gap


def _age(now: datetime, then: datetime) -> str:
    seconds = max(0.0, (now - then).total_seconds())
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"
