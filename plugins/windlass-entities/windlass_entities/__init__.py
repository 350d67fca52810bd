"""Windlass plugin: country and ASN pages that are derived from IP lists, always whole and right.

The way of a change: `watcher` (a file is another) → `handlers` (kinds, and what folds into what) → `inputs` (lists,
catalogue, tables) → `engine` (what is to be published) → `tree` (published in one switch).  `integrity` finds what is
wrong, `operations` and `panel` show it.  Configured in `[plugins.entities]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from windlass import Door, Handler, HealthSection, Operation, Resident, Schedule, Section, Settings, hookimpl

from windlass_entities import panel, records
from windlass_entities.handlers.check import CheckEntities
from windlass_entities.handlers.classes import LookAtHealth, RefreshHealth
from windlass_entities.handlers.feeds import RecheckFeed, ReprocessFeed
from windlass_entities.handlers.rebuild import RebuildEntities, RebuildSelected
from windlass_entities.handlers.refresh import RefreshEntities
from windlass_entities.handlers.repair import RepairEntities
from windlass_entities.operations import EntityOperations
from windlass_entities.payloads import Check
from windlass_entities.settings import EntitiesSettings
from windlass_entities.watcher import WatchFeeds

__all__ = ["EntitiesSettings"]

_settings: list[EntitiesSettings] = []
"""Those of the last boot in this process, for the hooks that are handed none."""

KINDS = (
    RefreshEntities,
    RefreshHealth,
    RebuildEntities,
    RebuildSelected,
    RepairEntities,
    CheckEntities,
    LookAtHealth,
    RecheckFeed,
    ReprocessFeed,
    WatchFeeds,
)


@hookimpl
def windlass_register_settings() -> Section:
    return Section("entities", EntitiesSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    own = settings.of(EntitiesSettings)
    _settings[:] = [own]
    return [kind(own) for kind in KINDS]


@hookimpl
def windlass_register_schedules(settings: Settings) -> Iterable[Schedule]:
    own = settings.of(EntitiesSettings)
    if not own.is_configured:
        return []
    return [
        Schedule("entities.check", CheckEntities.kind, interval=own.check_every, payload=Check(repair=True)),
        Schedule("entities.health", LookAtHealth.kind, interval=own.health_every),
    ]


@hookimpl
def windlass_register_residents(settings: Settings) -> Iterable[Resident]:
    own = settings.of(EntitiesSettings)
    return [Resident(WatchFeeds.kind)] if own.is_configured and own.watch else []


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return EntityOperations(settings.of(EntitiesSettings)).all()


@hookimpl
async def windlass_startup(kernel: Door) -> None:
    """What is missing or wrong is found at once, and repaired or built."""
    await _have_it_checked(kernel)


@hookimpl
async def windlass_config_reloaded(kernel: Door, settings: Settings) -> None:
    """Paths and thresholds wait for a restart, because workers have theirs; the pages are looked at all the same."""
    await _have_it_checked(kernel)


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection | None:
    if not _settings or not _settings[0].is_configured:
        return None
    documents = kernel.documents
    return panel.section(await records.published(documents), await records.checked(documents), datetime.now(UTC))


async def _have_it_checked(kernel: Door) -> None:
    if _settings and _settings[0].is_configured:
        await kernel.enqueue(CheckEntities.kind, Check(repair=True))
