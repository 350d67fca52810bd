"""Keyset paging in addresses: on to the next page, and back to the first."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request


@dataclass(frozen=True, slots=True)
class Pages:
    """Addresses relative to the page; empty where there is nothing to go to."""

    first: str
    next: str


def pages_of(request: Request, here: str, next_token: str, name: str = "page") -> Pages:
    """For the page that `here` (its token, empty for the first) names; everything else in the address stays."""
    kept = [(each, value) for each, value in request.query_params.multi_items() if each != name and value]
    first = "?" + urlencode(kept)
    return Pages(first if here else "", "?" + urlencode([*kept, (name, next_token)]) if next_token else "")
