"""What a reader of the history asks for: it stands in the address, and becomes one filter of docs/filters.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Self
from urllib.parse import urlencode

from windlass_client import Origin

from windlass_console.filtering import joined, quoted, searched

STATES = {"RUNNING": "Running", "COMPLETED": "Completed", "FAILED": "Failed", "CANCELED": "Canceled"}
ORIGINS = {"user": "User", "system": "System"}
WITHIN = {"1h": "1 hour", "24h": "24 hours", "7d": "7 days", "30d": "30 days"}
ORDERS = {
    "": "Newest first",
    "id": "Oldest first",
    "end_time desc": "Ended last first",
    "title": "Title",
    "kind": "Type",
    "initiator": "Initiator",
}
BY_KEY = ("", "id")
"""The orders that go along the keys, however much there is; any other looks at all that passes the filter."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Each is empty when it is not asked for.  `search` is for people, `filter` in the grammar, `page` a token."""

    origin: str = ""
    state: str = ""
    within: str = ""
    kind: str = ""
    by: str = ""
    search: str = ""
    filter: str = ""
    order: str = ""
    page: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        """From an address; what cannot be chosen counts as not asked for."""
        asked = cls(**{name: query.get(name, "").strip() for name in cls.__slots__})
        return replace(
            asked,
            origin=asked.origin if asked.origin in ORIGINS else "",
            state=asked.state if asked.state in STATES else "",
            within=asked.within if asked.within in WITHIN else "",
        )

    def but(self, **changes: str) -> str:
        """The query of an address that asks for the same, but for these; on its first page, unless `page` is given."""
        # Twice in each row of the list: asdict, which copies, took a quarter of the time of drawing it.
        said = [(name, changes.get(name, "" if name == "page" else getattr(self, name))) for name in self.__slots__]
        query = urlencode([each for each in said if each[1]])
        return f"?{query}" if query else "?"

    @property
    def whose(self) -> Origin | None:
        return Origin(self.origin.upper()) if self.origin else None

    @property
    def narrows(self) -> bool:
        """Whether it asks for less than all."""
        return bool(self.origin or self.state or self.within or self.kind or self.by or self.search or self.filter)

    def conditions(self, zone: tzinfo) -> str:
        """The filter for a list.  What was typed stands first, so that the places of its faults are the reader's own.

        OR binds tighter than AND: it needs no parentheses.
        """
        parts = [
            self.filter,
            self.state and f"state = {self.state}",
            self.within and f"create_time > ago({self.within})",
            self.kind and f"kind = {quoted(self.kind)}",
            self.by and f"initiator = {quoted(self.by)}",
            searched(self.search, zone, is_number_an_id=True),
        ]
        return joined(parts)

    def bulk(self, zone: tzinfo) -> str:
        """The filter for an action on all that match: the origin is part of it."""
        parts = [self.conditions(zone), self.origin and f"origin = {self.origin.upper()}"]
        return joined(parts)
