"""Windlass plugin: drains a site's transactions from Redis into its main database, in order, exactly once.

The way of an entry: `taking` (into the drainer's own list) → `statements` (what it means here) → `lines` (whose turn it
is) → `applying` (in one commit with others; `judging` says what an error means) → `database` (where the log stands) →
Redis → `tracking` (until the replicas show it).  `draining` goes that way again and again, and `handler` is the task
that does it.

For people: `operations`, and the section of the overview (`watch` looks, `site_facts` reads, `panel` draws).  They ask
each site's Redis through lines of the node's own (`asking`).  The settings are `[plugins.buffer]`.

Where no site is configured none of this is imported: redis-py brings all of OpenTelemetry's metrics along.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from windlass import Door, Handler, HealthSection, Operation, Resident, Section, Settings, hookimpl

from windlass_buffer.settings import BufferSettings

if TYPE_CHECKING:
    from windlass_buffer.handler import DrainBuffer, DrainPayload
    from windlass_buffer.operations import BufferOperations
    from windlass_buffer.statements import register_statement

__all__ = ["BufferSettings", "DrainBuffer", "DrainPayload", "register_statement"]

_homes = {"DrainBuffer": "handler", "DrainPayload": "handler", "register_statement": "statements"}
_here: list[BufferOperations] = []
"""Of the kernel in this process, for hooks that are handed no settings; the last one when there were several."""


def __getattr__(name: str) -> Any:
    if name not in _homes:
        raise AttributeError(f"module {__name__} has no attribute {name}")
    return getattr(import_module(f"{__name__}.{_homes[name]}"), name)


@hookimpl
def windlass_register_settings() -> Section:
    return Section("buffer", BufferSettings)


@hookimpl
def windlass_register_handlers(settings: Settings) -> Iterable[Handler[Any]]:
    buffer = settings.of(BufferSettings)
    if not buffer.site:
        return []
    from windlass_buffer.handler import DrainBuffer

    return [DrainBuffer(buffer)]


@hookimpl
def windlass_register_residents(settings: Settings) -> Iterable[Resident]:
    """One drainer for each site."""
    return [Resident("DrainBuffer", site.name, {"site": site.name}) for site in settings.of(BufferSettings).site]


@hookimpl
def windlass_register_operations(settings: Settings) -> Iterable[Operation]:
    buffer = settings.of(BufferSettings)
    if not buffer.site:
        return []
    from windlass_buffer.operations import BufferOperations

    _here[:] = [BufferOperations(buffer)]
    return _here[-1].all()


@hookimpl
async def windlass_health(kernel: Door) -> HealthSection | None:
    return await _here[-1].section() if _here else None


@hookimpl
def windlass_shutdown() -> None:
    while _here:
        _here.pop().close()
