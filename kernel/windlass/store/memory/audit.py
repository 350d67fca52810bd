"""The audit log in memory."""

from __future__ import annotations

from windlass.core.filters import EVERYTHING, Filter
from windlass.store.audit import Audit, AuditEntry
from windlass.store.facts import Note, Page
from windlass.store.memory.matching import passes
from windlass.store.memory.world import World
from windlass.store.values import AUDIT_VALUES


class MemoryAudit(Audit):
    def __init__(self, world: World) -> None:
        self._world = world

    async def write(self, note: Note) -> None:
        self._world.note(note)

    async def entries(self, size: int, after: int | None = None, filter: Filter = EVERYTHING) -> Page[AuditEntry]:
        now = self._world.now()
        every = (entry for entry in reversed(self._world.audit) if after is None or entry.id < after)
        found = [entry for entry in every if passes(filter, AUDIT_VALUES, entry, now)]
        return Page(tuple(found[:size]), (found[size - 1].id,) if len(found) > size else None)
