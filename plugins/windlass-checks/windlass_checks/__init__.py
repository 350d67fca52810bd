"""Windlass plugin: checks of services and hosts, by schedule or asked for, with transitions between up and down.

The way of a check: `payload` (what was asked) → `handler` (whose it is, and may it) → `measuring` (in its time) →
`way` (to addresses that `guard` lets through) → `sorts/` (what it finds) → `judging` (what that means) → `records`
(what is kept) → `transitions` (who is told).  Configured in `[plugins.checks]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from windlass import Door, Handler, HealthSection, Operation, Schedule, Section, Settings, hookimpl

from windlass_checks.handler import CheckHandler
from windlass_checks.health import section_of
from windlass_checks.operations import CheckOperations
from windlass_checks.payload import CheckPayload
from windlass_checks.settings import ChecksSettings

__all__ = ["CheckHandler", "CheckPayload", "ChecksSettings"]


@hookimpl
def windlass_register_settings() -> Section:
    return Section("checks", ChecksSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [CheckHandler(settings.of(ChecksSettings))]


@hookimpl
def windlass_register_schedules(settings: Settings) -> Iterable[Schedule]:
    return [
        Schedule(
            f"check.{check.name}",
            CheckHandler.kind,
            interval=check.interval,
            payload={"check": check.name},
            pool=check.pool,
        )
        for check in settings.of(ChecksSettings).check
    ]


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return CheckOperations(settings.of(ChecksSettings)).all()


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection | None:
    return await section_of(kernel.documents, datetime.now(UTC))
