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
from windlass_checks.operations import MOST, CheckOperations
from windlass_checks.payload import CheckPayload
from windlass_checks.records import everything
from windlass_checks.settings import ChecksSettings, ConfiguredCheck

__all__ = ["CheckHandler", "CheckPayload", "ChecksSettings"]


@hookimpl
def windlass_register_settings() -> Section:
    return Section("checks", ChecksSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [CheckHandler(settings.of(ChecksSettings))]


_configured: list[ConfiguredCheck] = []
"""Those of the last boot in this process, for `windlass_startup`, which is handed no settings."""


@hookimpl
def windlass_register_schedules(settings: Settings) -> Iterable[Schedule]:
    _configured[:] = settings.of(ChecksSettings).check
    return [
        Schedule(
            f"check.{check.name}",
            CheckHandler.kind,
            interval=check.interval,
            payload={"check": check.name},
            pool=check.pool,
        )
        for check in _configured
    ]


@hookimpl
async def windlass_startup(kernel: Door) -> None:
    """What nobody has looked at yet is looked at now: the first tick of a daily check is a day away."""
    if not _configured:
        return
    known = {name async for name, _ in everything(kernel.documents, MOST)}
    for check in _configured:
        if check.name not in known and not check.pool:
            await kernel.enqueue(CheckHandler.kind, {"check": check.name})


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return CheckOperations(settings.of(ChecksSettings)).all()


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection | None:
    return await section_of(kernel.documents, datetime.now(UTC))
