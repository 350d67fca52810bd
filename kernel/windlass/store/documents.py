"""The Documents contract: small JSON documents, each with its versions, under the name of the plugin that keeps them.

The newest version of a document only grows while it exists.  Those who put at once are served one after the other, so
of several who expect the same version one is stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from uuid import UUID

import msgspec

from windlass.errors import DocumentChanged
from windlass.store.facts import Parent


class NewDocument(msgspec.Struct, frozen=True):
    """A version to be stored.  `value` is JSON text, kept as it is.

    `put_id` is this put's own: made again after a lost answer it finds what it has stored.  `keep` is how many versions
    stay; `expected` the version that must be the newest, 0 for none.
    """

    plugin: str
    name: str
    value: str
    by: str
    put_id: UUID
    expected: int | None = None
    keep: int = 1


class DocumentFacts(msgspec.Struct, frozen=True):
    """One version; `value` is JSON."""

    name: str
    version: int
    value: bytes
    stored_at: datetime
    by: str


Found = list[DocumentFacts]


class Documents(ABC):
    """`attempt`: the one that writes.  It is refused with `AttemptSuperseded`, in the same transaction, when it runs no
    more or is another's; one whose task is being interrupted may still write.
    """

    @abstractmethod
    async def get(self, plugin: str, name: str, version: int | None = None) -> DocumentFacts | None:
        """The newest version, or the one that is named."""

    @abstractmethod
    async def put(self, document: NewDocument, attempt: Parent | None = None) -> int:
        """Store the next version; its number.  Raises `DocumentChanged`, and has then stored nothing."""

    @abstractmethod
    async def list(self, plugin: str, prefix: str, after: str, limit: int) -> Found:
        """The newest versions by name, in the order of code points."""

    @abstractmethod
    async def delete(self, plugin: str, name: str, expected: int | None = None, attempt: Parent | None = None) -> bool:
        """Remove all versions; False when there are none.  Raises `DocumentChanged` when another is the newest."""


def changed(name: str, expected: int | None, newest: int) -> DocumentChanged:
    """The refusal of a write that expected another newest version; 0 for none."""
    if expected == 0:
        words = f"there is a document {name!r} already, at version {newest}"
    elif newest == 0:
        words = f"document {name!r} is gone; version {expected} was expected"
    else:
        words = f"document {name!r} is at version {newest}, not {expected}: read it again"
    return DocumentChanged(words, document=name, version=newest)


def superseded(attempt: Parent) -> str:
    """Why an attempt is refused, in words."""
    return f"attempt {attempt.attempt} of task {attempt.task} is superseded"
