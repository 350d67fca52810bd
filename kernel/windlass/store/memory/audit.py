"""The audit log in memory."""

from __future__ import annotations

from windlass.core.filters import EVERYTHING, Filter
from windlass.store.audit import Audit, AuditEntry
from windlass.store.facts import Page
from windlass.store.memory.world import World


class MemoryAudit(Audit):
    def __init__(self, world: World) -> None:
        self._world = world

    async def entries(self, size: int, after: int | None = None, filter: Filter = EVERYTHING) -> Page[AuditEntry]:
        found = [entry for entry in reversed(self._world.audit) if after is None or entry.id < after]
        return Page(tuple(found[:size]), (found[size - 1].id,) if len(found) > size else None)
