"""The Audit contract: who did what, written down in the transaction of its effect."""

from __future__ import annotations

from abc import ABC, abstractmethod
from datetime import datetime

import msgspec

from windlass.core.filters import EVERYTHING, Filter
from windlass.store.facts import Note, Page


class AuditEntry(msgspec.Struct, frozen=True):
    """One privileged call; `id` only grows."""

    id: int
    at: datetime
    note: Note


class Audit(ABC):
    """Rows are written by the calls that take a `Note`: all of the effect and its row, or neither.

    A call whose effect is not the store's has its row written before it: the row says that it was asked, and claims
    nothing of what came of it.
    """

    @abstractmethod
    async def write(self, note: Note) -> None:
        """The row of a call whose effect is not the store's."""

    @abstractmethod
    async def entries(self, size: int, after: int | None = None, filter: Filter = EVERYTHING) -> Page[AuditEntry]:
        """Newest first; `after` is the last id of the page before.  The filter is one of core.fields.AUDIT."""
