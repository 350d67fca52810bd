"""What a list is asked for: search, filter, order and place, all of it in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, tzinfo
from typing import Any, Self
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from windlass_console import filtering

SIZES = (25, 50, 100)
USUAL_SIZE = 50


@dataclass(frozen=True, slots=True)
class Asked:
    """`q`: what stands in the search box; `zone`: whose days it means; `page`: the token of a page after the first."""

    q: str = ""
    filter: str = ""
    order: str = ""
    size: int = USUAL_SIZE
    page: str = ""
    zone: tzinfo = UTC

    @classmethod
    def of(cls, query: QueryParams, zone: tzinfo) -> Self:
        size = query.get("size", "")
        return cls(
            q=query.get("q", "").strip(),
            filter=query.get("filter", "").strip(),
            order=query.get("order", ""),
            size=int(size) if size in map(str, SIZES) else USUAL_SIZE,
            page=query.get("page", ""),
            zone=zone,
        )

    @property
    def matching(self) -> str:
        """Filter and search as one filter.  The filter stands first: so its faults are where the server says."""
        return filtering.joined((self.filter, filtering.searched(self.q, self.zone)))

    def query(self, **changes: Any) -> str:
        """`?filter=…` with these changes, empty for a list as it is by itself.  Any change leads to the first page."""
        asked = replace(self, **({"page": ""} | changes))
        said: Mapping[str, object] = {
            "q": asked.q,
            "filter": asked.filter,
            "order": asked.order,
            "size": asked.size if asked.size != USUAL_SIZE else "",
            "page": asked.page,
        }
        text = urlencode({name: value for name, value in said.items() if value})
        return f"?{text}" if text else ""

    def sorted_by(self, field: str) -> str:
        """How the list is sorted by this field now: `ascending`, `descending` or `none`."""
        first = self.order.split(",")[0].split()
        if not first or first[0] != field:
            return "none"
        return "descending" if first[1:] == ["desc"] else "ascending"

    def resorted(self, field: str) -> str:
        """The order that a click on the column asks for: up, down, and the list's own again."""
        return {"none": field, "ascending": f"{field} desc", "descending": ""}[self.sorted_by(field)]
