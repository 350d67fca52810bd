"""Windlass plugin: backups of PostgreSQL databases and directory trees, kept, counted, and proved by restoring them.

The kinds are Backup and VerifyBackup, configured in `[plugins.backups]`.  The way of a backup: `payload` (names) →
`choosing` (what they mean here) → `shelf` (a folder to write into) → `dumping` or `archiving` → `packing` (compressed,
hashed) → `manifest` → `retention`.  The way back: `verify` → `restoring` or `unpacking`, in a `scratch` place.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from windlass import Handler, HealthSection, Operation, Schedule, Section, Settings, hookimpl

from windlass_backups import planning
from windlass_backups.backup import Backup
from windlass_backups.health import Health
from windlass_backups.operations import Operations
from windlass_backups.payload import BackupPayload, VerifyPayload
from windlass_backups.settings import BackupsSettings
from windlass_backups.verify import VerifyBackup

__all__ = ["Backup", "BackupPayload", "BackupsSettings", "VerifyBackup", "VerifyPayload"]

_health: list[Health] = []
"""Of the settings that this process was started with: the hook that asks is given none."""


@hookimpl
def windlass_register_settings() -> Section:
    return Section("backups", BackupsSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    own = settings.of(BackupsSettings)
    _health[:] = [Health(own)]
    return [Backup(own), VerifyBackup(own)]


@hookimpl
def windlass_register_schedules(settings: Settings) -> Iterable[Schedule]:
    return list(planning.schedules(settings.of(BackupsSettings)))


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return Operations(settings.of(BackupsSettings)).all()


@hookimpl
async def windlass_health() -> HealthSection | None:
    return await _health[0].section() if _health else None
