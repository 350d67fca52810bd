"""Documents as an agent reaches them: through the kernel, on behalf of the attempt that asks."""

from __future__ import annotations

from datetime import UTC

from windlass.documents import Documents as PluginDocuments
from windlass.errors import AttemptSuperseded
from windlass.host.documents import LiveDocuments, Speaker
from windlass.store.documents import DocumentFacts, Documents, Found, NewDocument, superseded
from windlass.store.facts import Parent
from windlass_proto.v1 import task_pb2, workers_pb2

from windlass_agent.convert import JSON
from windlass_agent.session import Session


class AttemptDocuments(Documents):
    """Those of one attempt: it is named with each question, also where nothing is written."""

    def __init__(self, session: Session, attempt: Parent) -> None:
        self._session = session
        self._attempt = attempt

    def _user(self, plugin: str) -> workers_pb2.DocumentUser:
        return workers_pb2.DocumentUser(
            name=f"tasks/{self._attempt.task}", attempt=self._attempt.attempt, plugin=plugin
        )

    async def get(self, plugin: str, name: str, version: int | None = None) -> DocumentFacts | None:
        place = workers_pb2.DocumentPlace(user=self._user(plugin), document=name, version=version)
        answer = await self._session.ask(self._attempt.node, get_document=place)
        return next(map(_facts, answer.get_document.documents), None)

    async def put(self, document: NewDocument, attempt: Parent | None = None) -> int:
        self._check(attempt)
        put = workers_pb2.PutDocument(
            user=self._user(document.plugin),
            document=document.name,
            value=task_pb2.Payload(content_type=JSON, data=document.value.encode()),
            put_id=str(document.put_id),
            expected=document.expected,
            keep=document.keep,
        )
        return (await self._session.ask(self._attempt.node, put_document=put)).put_document.version

    async def list(self, plugin: str, prefix: str, after: str, limit: int) -> Found:
        asked = workers_pb2.ListDocuments(user=self._user(plugin), prefix=prefix, after=after, limit=limit)
        answer = await self._session.ask(self._attempt.node, list_documents=asked)
        return [_facts(one) for one in answer.list_documents.documents]

    async def delete(self, plugin: str, name: str, expected: int | None = None, attempt: Parent | None = None) -> bool:
        self._check(attempt)
        asked = workers_pb2.DeleteDocument(user=self._user(plugin), document=name, expected=expected)
        return (await self._session.ask(self._attempt.node, delete_document=asked)).delete_document.was_there

    def _check(self, attempt: Parent | None) -> None:
        if attempt != self._attempt:
            raise AttemptSuperseded(superseded(self._attempt))


class RemoteArchive:
    """Gives out documents to attempts (host/context.py: Papers)."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of_attempt(self, plugin: str, attempt: Parent, speaker: Speaker) -> PluginDocuments:
        store = AttemptDocuments(self._session, attempt)
        return LiveDocuments(store, plugin, f"task {attempt.task}", attempt, speaker)


def _facts(found: workers_pb2.StoredDocument) -> DocumentFacts:
    at = found.store_time.ToDatetime(UTC)
    return DocumentFacts(found.document, found.version, found.value.data, at, found.by)
