"""Documents, in memory."""

from __future__ import annotations

from windlass.errors import AttemptSuperseded
from windlass.store.documents import DocumentFacts, Documents, Found, NewDocument, changed, superseded
from windlass.store.facts import Parent
from windlass.store.memory.world import Kept, World


class MemoryDocuments(Documents):
    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, plugin: str, name: str, version: int | None = None) -> DocumentFacts | None:
        kept = self._world.documents.get((plugin, name))
        if kept is None:
            return None
        wanted = kept.versions[-1].version if version is None else version
        return next((one for one in kept.versions if one.version == wanted), None)

    async def put(self, document: NewDocument, attempt: Parent | None = None) -> int:
        self._check_runs(attempt)
        place = (document.plugin, document.name)
        kept = self._world.documents.get(place)
        newest = kept.versions[-1].version if kept else 0
        if kept is not None and kept.put_id == document.put_id:
            return newest
        if document.expected not in (None, newest):
            raise changed(document.name, document.expected, newest)
        value, now = document.value.encode(), self._world.now()
        facts = DocumentFacts(document.name, newest + 1, value, now, document.by)
        versions = [*(kept.versions if kept else ()), facts]
        staying = [one for one in versions if one.version > facts.version - document.keep]
        self._world.documents[place] = Kept(document.put_id, staying)
        return facts.version

    async def list(self, plugin: str, prefix: str, after: str, limit: int) -> Found:
        names = (name for owner, name in self._world.documents if owner == plugin and name > after)
        found = sorted(name for name in names if name.startswith(prefix))[:limit]
        return [self._world.documents[plugin, name].versions[-1] for name in found]

    async def delete(self, plugin: str, name: str, expected: int | None = None, attempt: Parent | None = None) -> bool:
        self._check_runs(attempt)
        kept = self._world.documents.get((plugin, name))
        if kept is None:
            return False
        if expected not in (None, newest := kept.versions[-1].version):
            raise changed(name, expected, newest)
        del self._world.documents[plugin, name]
        return True

    def _check_runs(self, attempt: Parent | None) -> None:
        if attempt is None:
            return
        held = self._world.running.get(attempt.task)
        if held is None or (held.node, held.place.attempt) != (attempt.node, attempt.attempt):
            raise AttemptSuperseded(superseded(attempt))
