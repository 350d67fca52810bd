"""The audit log in PostgreSQL."""

from __future__ import annotations

import msgspec

from windlass.core.access import Role
from windlass.core.filters import EVERYTHING, Filter
from windlass.store.audit import Audit, AuditEntry
from windlass.store.facts import Note, Page
from windlass.store.port import ALL_POOLS
from windlass.store.postgres.connection import Connections, Row
from windlass.store.postgres.filters import AUDIT_COLUMNS, Asking

LAST_ID = 2**63 - 1


class PostgresAudit(Audit):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def write(self, note: Note) -> None:
        await self._db.rows("write_audit", msgspec.structs.asdict(note))

    async def entries(self, size: int, after: int | None = None, filter: Filter = EVERYTHING) -> Page[AuditEntry]:
        facts = {"before": LAST_ID if after is None else after, "limit": size + 1}
        if filter.condition is None:
            rows = await self._db.rows("list_audit", facts)
        else:
            asking = Asking(AUDIT_COLUMNS)
            statement = asking.statement("find_audit", condition=asking.condition(filter, ALL_POOLS))
            rows = await self._db.find(statement, facts | asking.values)
        found = tuple(map(_entry, rows[:size]))
        return Page(found, (found[-1].id,) if len(rows) > size else None)


def _entry(row: Row) -> AuditEntry:
    id_, at, subject, credential, role, method, resource, reason, request = row
    return AuditEntry(id_, at, Note(subject, credential, Role(role), method, resource, reason, bytes(request).decode()))
