"""Documents: small JSON documents that a plugin keeps in the store.

Each plugin has names of its own, and sees no others.  A document has versions 1, 2, 3, …; a put makes the next one, and
the newest is what one reads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any

import msgspec


class Document(msgspec.Struct, frozen=True):
    """One version of a document."""

    name: str
    version: int
    value: Any
    """What msgspec decodes of its JSON: dicts, lists, strings, numbers, booleans, None."""
    stored_at: datetime
    """By the database's clock."""
    by: str
    """Who put it: the caller of an operation, "task 17", or "Scheduler"."""


Listed = list[Document]


class Documents(ABC):
    """A plugin's documents.  While the store is away, every call waits.

    A name is text of 1 to 200 characters.  What does not fit raises `ValueError`.
    """

    @abstractmethod
    async def get(self, name: str, version: int | None = None) -> Document | None:
        """The newest version, or the one that is named; None when there is none, or it is kept no more."""

    @abstractmethod
    async def put(self, name: str, value: object, *, expected: int | None = None, keep: int = 1) -> int:
        """Store a new version; its number.

        `value` is anything msgspec can encode, up to 256 KiB as JSON.  `expected` is the version it was made of (0: it
        must not exist yet); when the newest is another one, `DocumentChanged` is raised and nothing is stored.  So who
        reads, changes and puts with the version he read never undoes another's change.  `keep` (1 to 100) is how many
        versions stay, this one included.

        In a task, raises `AttemptSuperseded` when another attempt holds it: nothing is stored then.
        """

    @abstractmethod
    async def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Listed:
        """The newest versions of those whose names begin with `prefix`, by name; up to `limit` (1 to 100).

        `after` is the last name of the page before.
        """

    @abstractmethod
    async def delete(self, name: str, *, expected: int | None = None) -> bool:
        """Remove all its versions; False when there was none.  Put again, it begins at version 1.

        `expected` and `AttemptSuperseded` are as in `put`.
        """


class BlockingDocuments(ABC):
    """`Documents` for a blocking handler."""

    @abstractmethod
    def get(self, name: str, version: int | None = None) -> Document | None:
        """As `Documents.get`."""

    @abstractmethod
    def put(self, name: str, value: object, *, expected: int | None = None, keep: int = 1) -> int:
        """As `Documents.put`."""

    @abstractmethod
    def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Listed:
        """As `Documents.list`."""

    @abstractmethod
    def delete(self, name: str, *, expected: int | None = None) -> bool:
        """As `Documents.delete`."""
