"""Documents, in PostgreSQL."""

from __future__ import annotations

import msgspec

from windlass.errors import AttemptSuperseded
from windlass.store.documents import DocumentFacts, Documents, Found, NewDocument, changed, superseded
from windlass.store.facts import Parent
from windlass.store.postgres.connection import Connections, Run


class PostgresDocuments(Documents):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def get(self, plugin: str, name: str, version: int | None = None) -> DocumentFacts | None:
        rows = await self._db.rows("read_document", {"plugin": plugin, "name": name, "version": version})
        return DocumentFacts(*rows[0]) if rows else None

    async def put(self, document: NewDocument, attempt: Parent | None = None) -> int:
        facts = msgspec.structs.asdict(document)
        async with self._db.transaction() as run:
            rows = await run("put_document", facts)
            version = int(rows[0][0]) if rows else 0
            if version > document.keep:
                await run("prune_document", facts | {"oldest": version - document.keep + 1})
            await _check_runs(run, attempt)
            if not rows:
                version = await _put_before(run, document)
            elif document.expected not in (None, version - 1):
                raise changed(document.name, document.expected, 0)
        return version

    async def list(self, plugin: str, prefix: str, after: str, limit: int) -> Found:
        asked = {"plugin": plugin, "prefix": prefix, "after": after, "limit": limit}
        return [DocumentFacts(*row) for row in await self._db.rows("list_documents", asked)]

    async def delete(self, plugin: str, name: str, expected: int | None = None, attempt: Parent | None = None) -> bool:
        which = {"plugin": plugin, "name": name, "expected": expected}
        async with self._db.transaction() as run:
            gone = await run("delete_document", which)
            await _check_runs(run, attempt)
            if not gone and (head := await run("read_newest_version", which)):
                raise changed(name, expected, head[0][0])
        return bool(gone)


async def _put_before(run: Run, document: NewDocument) -> int:
    """The version that this very put has stored, before its answer was lost; refused otherwise."""
    head = await run("read_newest_version", msgspec.structs.asdict(document))
    newest, put_id = head[0] if head else (0, None)
    if put_id != document.put_id:
        raise changed(document.name, document.expected, newest)
    return int(newest)


async def _check_runs(run: Run, attempt: Parent | None) -> None:
    if attempt is not None and not await run("fence_attempt", msgspec.structs.asdict(attempt)):
        raise AttemptSuperseded(superseded(attempt))
