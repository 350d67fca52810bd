"""Windlass plugin: country and ASN pages that are derived from IP lists, always whole and right.

The way of a change: `watcher` (a file is another) → `handlers` (kinds, and what folds into what) → `inputs` (lists,
catalogue, tables) → `engine` (what is to be published) → `tree` (published in one switch).  `integrity` finds what is
wrong, `operations` and `panel` show it.  Configured in `[plugins.entities]`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
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
from windlass_entities.trying import on_sample, unpack
from windlass_entities.watcher import WatchFeeds

__all__ = ["EntitiesSettings"]

_settings: list[EntitiesSettings] = []
"""Those of the last boot in this process, for the hooks that are handed none."""
_sample: list[Path] = []
"""Where the sample is wanted, if it is."""

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
    own, wanted = _own(settings), settings.of(EntitiesSettings).sample
    _settings[:], _sample[:] = [own], [Path(wanted)] if wanted else []
    return [kind(own) for kind in KINDS]


@hookimpl
def windlass_register_schedules(settings: Settings) -> Iterable[Schedule]:
    own = _own(settings)
    if not own.is_configured:
        return []
    return [
        Schedule("entities.check", CheckEntities.kind, interval=own.check_every, payload=Check(repair=True)),
        Schedule("entities.health", LookAtHealth.kind, interval=own.health_every),
    ]


@hookimpl
def windlass_register_residents(settings: Settings) -> Iterable[Resident]:
    own = _own(settings)
    return [Resident(WatchFeeds.kind)] if own.is_configured and own.watch else []


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    return EntityOperations(_own(settings)).all()


@hookimpl
async def windlass_startup(kernel: Door) -> None:
    """What is missing or wrong is found at once, and repaired or built."""
    for folder in _sample:
        await asyncio.to_thread(unpack, folder)
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


def _own(settings: Settings) -> EntitiesSettings:
    return on_sample(settings.of(EntitiesSettings))
