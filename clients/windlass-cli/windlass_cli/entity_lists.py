"""The lists of countries, ASNs and feeds: which there are, a part at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from windlass_cli import words
from windlass_cli.forms import Column, Form
from windlass_cli.printing import page_size

if TYPE_CHECKING:
    from windlass_client import Client

AT_MOST = 250
"""Lines of one call; the server answers up to 500."""

Line = dict[str, Any]


class Sort(StrEnum):
    countries = "countries"
    asns = "asns"
    feeds = "feeds"


FEEDS: Column[Line] = Column("Feeds", lambda line: f"{line['feeds']:,}", number=True)
ADDRESSES: Column[Line] = Column("Addresses", lambda line: f"{line['attributed_ips']:,}", number=True)
COLUMNS: dict[Sort, tuple[Column[Line], ...]] = {
    Sort.countries: (
        Column("Country", lambda line: line["key"]),
        FEEDS,
        Column("ASNs", lambda line: f"{line['others']:,}", number=True),
        ADDRESSES,
    ),
    Sort.asns: (
        Column("ASN", lambda line: f"AS{line['key']}"),
        Column("Name", lambda line: line["name"] or words.DASH, gives_way=True),
        FEEDS,
        Column("Countries", lambda line: f"{line['others']:,}", number=True),
        ADDRESSES,
    ),
    Sort.feeds: (
        Column("Feed", lambda line: line["key"]),
        Column("Category", lambda line: line["category"]),
        Column("Maintainer", lambda line: line["maintainer"], gives_way=True),
        ADDRESSES,
        Column("Health", lambda line: line["health"]),
        Column("Last change", lambda line: (line["last_change"] or words.DASH)[:10]),
    ),
}
EMPTY = {
    Sort.countries: "No such country has a page.",
    Sort.asns: "No such ASN has a page.",
    Sort.feeds: "There is no such feed.",
}


def form_of(sort: Sort) -> Form[Line]:
    return Form(COLUMNS[sort], EMPTY[sort], dict)


async def lines(client: Client, sort: Sort, contains: str, limit: int) -> AsyncGenerator[Line, None]:
    """By code, number or name; pages are fetched as they are needed.  `limit`: about so many are, 0 means all."""
    argument: dict[str, Any] = {"of": sort.value, "contains": contains, "limit": min(page_size(limit), AT_MOST)}
    while True:
        page = await client.operations.call("entities.list", argument)
        for line in page["entities"]:
            yield line
        if not page["next"]:
            return
        argument["after"] = page["next"]
