"""Windlass plugin: drains a site's transactions from Redis into its main database, in order, exactly once."""

from __future__ import annotations

from windlass import Section, hookimpl

from windlass_buffer.settings import BufferSettings

__all__ = ["BufferSettings"]


@hookimpl
def windlass_register_settings() -> Section:
    return Section("buffer", BufferSettings)
