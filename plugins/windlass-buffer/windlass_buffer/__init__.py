"""Windlass plugin: drains a site's transactions from Redis into its main database, in order, exactly once.

The way of an entry: `taking` (into the drainer's own list) → `statements` (what it means here) → `lines` (whose turn it
is) → `applying` (in one commit with others; `judging` says what an error means) → `database` (where the log stands) →
Redis.  `draining` goes that way again and again, and `handler` is the task that does it.  The settings are
`[plugins.buffer]`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from windlass import Handler, Resident, Section, Settings, hookimpl

from windlass_buffer.handler import DrainBuffer, DrainPayload
from windlass_buffer.settings import BufferSettings
from windlass_buffer.statements import register_statement

__all__ = ["BufferSettings", "DrainBuffer", "DrainPayload", "register_statement"]


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
