"""Documents as plugins see them: what they put is checked, and whoever asks waits while the store is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar
from uuid import uuid4

import msgspec

from windlass.documents import Document, Documents, Listed
from windlass.errors import AttemptSuperseded
from windlass.host.patience import patiently
from windlass.store import documents as stored
from windlass.store.facts import Parent

T = TypeVar("T")

LONGEST_NAME = 200
LARGEST_VALUE = 256 * 1024
MOST_KEPT = 100
MOST_LISTED = 100
"""More of the largest would not fit into one frame to a worker process."""


class Speaker(Protocol):
    """The attempt that writes."""

    def check_runs(self) -> None:
        """Raises `AttemptSuperseded` when it is over."""

    def supersede(self) -> None:
        """The store says that it is over."""


class LiveDocuments(Documents):
    """The documents of one plugin, in the hands of `by`."""

    def __init__(
        self,
        store: stored.Documents,
        plugin: str,
        by: str,
        attempt: Parent | None = None,
        speaker: Speaker | None = None,
    ) -> None:
        self._store = store
        self._plugin = plugin
        self._by = by
        self._attempt = attempt
        self._speaker = speaker

    async def get(self, name: str, version: int | None = None) -> Document | None:
        check_name(name)
        found = await self._patiently(lambda: self._store.get(self._plugin, name, version))
        return None if found is None else _document(found)

    async def put(self, name: str, value: object, *, expected: int | None = None, keep: int = 1) -> int:
        check_put(name, expected, keep)
        text = encoded_value(name, value)
        # The id is that of the whole call: when an answer was lost, asking again finds what is stored.
        new = stored.NewDocument(self._plugin, name, text, self._by, uuid4(), expected, keep)
        return await self._fenced(lambda: self._store.put(new, self._attempt))

    async def list(self, prefix: str = "", after: str = "", limit: int = MOST_LISTED) -> Listed:
        check_list(prefix, after, limit)
        found = await self._patiently(lambda: self._store.list(self._plugin, prefix, after, limit))
        return [_document(one) for one in found]

    async def delete(self, name: str, *, expected: int | None = None) -> bool:
        check_name(name)
        return await self._fenced(lambda: self._store.delete(self._plugin, name, expected, self._attempt))

    async def _fenced(self, write: Callable[[], Awaitable[T]]) -> T:
        if self._speaker is None:
            return await self._patiently(write)
        self._speaker.check_runs()
        try:
            return await self._patiently(write)
        except AttemptSuperseded:
            self._speaker.supersede()
            raise

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await patiently(ask, "a document", plugin=self._plugin)


class Archive:
    """Gives out documents, to attempts and to others."""

    def __init__(self, store: stored.Documents) -> None:
        self._store = store

    def of_attempt(self, plugin: str, attempt: Parent, speaker: Speaker) -> Documents:
        """What it writes is refused once it is superseded."""
        return LiveDocuments(self._store, plugin, f"task {attempt.task}", attempt, speaker)

    def of_caller(self, plugin: str, by: str) -> Documents:
        return LiveDocuments(self._store, plugin, by)


def check_name(name: str, what: str = "a document's name") -> None:
    """Raises `ValueError`."""
    if not isinstance(name, str) or not name or not _storable(name):
        raise ValueError(f"{what} is text of 1 to {LONGEST_NAME} characters, without NUL, not {str(name)[:250]!r}")


def check_put(name: str, expected: int | None, keep: int) -> None:
    """Raises `ValueError`."""
    check_name(name)
    if expected is not None and expected < 0:
        raise ValueError(f"expected is a version, 0 for a document that must not exist yet, or None, not {expected}")
    if not 1 <= keep <= MOST_KEPT:
        raise ValueError(f"keep is how many versions stay, 1 to {MOST_KEPT}, not {keep}")


def check_list(prefix: str, after: str, limit: int) -> None:
    """Raises `ValueError`."""
    for what, text in (("prefix", prefix), ("after", after)):
        if text:
            check_name(text, what)
    if not 1 <= limit <= MOST_LISTED:
        raise ValueError(f"limit is 1 to {MOST_LISTED} documents, not {limit}")


def encoded_value(name: str, value: object) -> str:
    """Its JSON.  Raises `ValueError` when that is too large, and `TypeError` for what JSON can't say."""
    encoded = msgspec.json.encode(value)
    if len(encoded) > LARGEST_VALUE:
        raise ValueError(
            f"document {name!r} has {len(encoded)} bytes as JSON; at most {LARGEST_VALUE} are kept: split it, or keep"
            " it in a file and its place here"
        )
    return encoded.decode()


def _storable(text: str) -> bool:
    return len(text) <= LONGEST_NAME and "\0" not in text and text.encode("utf-8", "ignore").decode() == text


def _document(facts: stored.DocumentFacts) -> Document:
    return Document(facts.name, facts.version, msgspec.json.decode(facts.value), facts.stored_at, facts.by)
