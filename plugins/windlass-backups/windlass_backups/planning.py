"""The schedules that the configuration asks for, and how old a backup may be before somebody should look."""

from __future__ import annotations

from collections.abc import Iterator

from windlass import Schedule

from windlass_backups.settings import BackupsSettings, Planned, seconds

_HOUR, _DAY = 3_600.0, 86_400.0


def schedules(settings: BackupsSettings) -> Iterator[Schedule]:
    """One for each source and target, and one for its restore tests."""
    for name, source in settings.sources.items():
        for target in settings.targets_of(name):
            payload = {"source": name, "target": target}
            yield from _schedule(f"backups.{name}.{target}", "Backup", payload, source.every, source)
            yield from _schedule(
                f"backups.verify.{name}.{target}", "VerifyBackup", payload, source.verify_every, source
            )


def longest_gap(source: Planned) -> float | None:
    """Seconds between two backups of its schedule, at most; None without a schedule.

    Of cron only what its fields can mean at most: "0 3 * * 1,4" comes every week or more often.
    """
    if source.every:
        return seconds(source.every, "every")
    if not source.cron:
        return None
    _minute, hour, day, month, weekday = (source.cron.split() + ["*"] * 5)[:5]
    if month != "*":
        return 366 * _DAY
    if day != "*":
        return 31 * _DAY
    if weekday != "*":
        return 7 * _DAY
    return _HOUR if hour == "*" else _DAY


def _schedule(name: str, kind: str, payload: dict[str, str], every: str, source: Planned) -> Iterator[Schedule]:
    cron = source.cron if kind == "Backup" else source.verify_cron
    if every:
        yield Schedule(name, kind, interval=seconds(every, "every"), payload=payload)
    elif cron:
        yield Schedule(name, kind, cron=cron, zone=source.zone, payload=payload)
