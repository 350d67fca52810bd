"""Windlass plugin: drains a site's transactions from Redis into its main database, in order, exactly once.

The way of an entry: `taking` (into the drainer's own list) → `statements` (what it means here) → `lines` (whose turn it
is) → `applying` (in one commit with others; `judging` says what an error means) → `database` (where the log stands) →
Redis → `tracking` (until the replicas show it).  `draining` goes that way again and again, and `handler` is the task
that does it.

For people: `operations`, and the section of the overview (`watch` looks, `site_facts` reads, `panel` draws).  They ask
each site's Redis through lines of the node's own (`asking`).  The settings are `[plugins.buffer]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from windlass import Door, Handler, HealthSection, Operation, Resident, Section, Settings, hookimpl

from windlass_buffer.asking import Lines
from windlass_buffer.handler import DrainBuffer, DrainPayload
from windlass_buffer.operations import BufferOperations
from windlass_buffer.panel import section_of
from windlass_buffer.settings import BufferSettings
from windlass_buffer.statements import register_statement
from windlass_buffer.watch import Watch

__all__ = ["BufferSettings", "DrainBuffer", "DrainPayload", "register_statement"]


class _Here(Lines):
    """What the kernel of this process asks the sites through."""

    def __init__(self, settings: BufferSettings) -> None:
        super().__init__(settings)
        self.watch = Watch()


_here: list[_Here] = []
"""For hooks that are handed no settings; the last one when there were several kernels."""


@hookimpl
def windlass_register_settings() -> Section:
    return Section("buffer", BufferSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    return [DrainBuffer(settings.of(BufferSettings))]


@hookimpl
def windlass_register_residents(settings: Settings) -> Iterable[Resident]:
    """One drainer for each site."""
    return [Resident(DrainBuffer.kind, site.name, {"site": site.name}) for site in settings.of(BufferSettings).site]


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    here = _Here(settings.of(BufferSettings))
    _here[:] = [here]
    return BufferOperations(here, here.watch).all()


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection | None:
    return section_of(await _here[-1].watch.look(_here[-1].all())) if _here else None


@hookimpl
def windlass_shutdown() -> None:
    while _here:
        _here.pop().close()
