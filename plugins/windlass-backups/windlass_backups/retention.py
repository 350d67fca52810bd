"""Which backups go, decided on paper."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from windlass_backups.manifest import Manifest
from windlass_backups.settings import Target


def superfluous(backups: Sequence[Manifest], target: Target, now: datetime) -> list[tuple[Manifest, str]]:
    """Those of one source and one target (newest first) that are beyond its limits, oldest first, each with why.

    The newest of which nothing bad is known stays, whatever the limits; where there is none, all stay.
    """
    last_good = next((each for each in backups if each.is_good), None)
    if last_good is None:
        return []
    going = []
    for place, each in enumerate(backups):
        if each is not last_good and (why := _why(place, each, target, now)):
            going.append((each, why))
    return going[::-1]


def _why(place: int, backup: Manifest, target: Target, now: datetime) -> str:
    if target.keep is not None and place >= target.keep:
        return f"there are {target.keep} newer ones"
    if target.keep_days is not None and now - backup.started > timedelta(days=target.keep_days):
        return f"older than {target.keep_days:g} days"
    return ""
