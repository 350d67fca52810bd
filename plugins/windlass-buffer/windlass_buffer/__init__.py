"""Windlass plugin: drains a site's transactions from Redis into its main database, in order, exactly once.

The way of a transaction: a producer pushes it (windlass_buffer_client) → DrainBuffer takes it, applies it and notes how
far replicas must come → readers no longer need the cache.  For people: `operations` and the overview's section (`watch`
looks, `site_facts` reads, `panel` draws), which ask each site's Redis through the node's own lines (`asking`).
Configured in `[plugins.buffer]`.
"""

from __future__ import annotations

from collections.abc import Iterable

from windlass import Door, HealthSection, Operation, Section, Settings, hookimpl

from windlass_buffer.asking import Lines
from windlass_buffer.operations import BufferOperations
from windlass_buffer.panel import section_of
from windlass_buffer.settings import BufferSettings
from windlass_buffer.watch import Watch

__all__ = ["BufferSettings"]


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
