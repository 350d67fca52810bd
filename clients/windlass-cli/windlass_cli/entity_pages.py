"""A page of a country, an ASN or a feed, for people; for programs its bytes as they are published."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from windlass_cli import words
from windlass_cli.forms import Column
from windlass_cli.options import Format

LINES = 15
"""Of each table; -o wide shows all."""

Line = dict[str, Any]
FEEDS: tuple[Column[Line], ...] = (
    Column("Feed", lambda line: line["feed"]),
    Column("Category", lambda line: line["category"]),
    Column("Maintainer", lambda line: line["maintainer"], gives_way=True),
    Column("Here", lambda line: f"{line['attributed_ips']:,}", number=True),
    Column("In all", lambda line: f"{line['unique_ips']:,}", number=True),
    Column("Health", lambda line: line["health"]),
    Column("Last change", lambda line: (line["last_change"] or words.DASH)[:10]),
)
ASNS: tuple[Column[Line], ...] = (
    Column("ASN", lambda line: f"AS{line['asn']}"),
    Column("Name", lambda line: line["name"] or words.DASH, gives_way=True),
    Column("Feeds", lambda line: f"{line['feeds']:,}", number=True),
    Column("Addresses", lambda line: f"{line['attributed_ips']:,}", number=True),
)
COUNTRIES: tuple[Column[Line], ...] = (
    Column("Country", lambda line: line["code"]),
    *ASNS[2:],
)
CATEGORIES: tuple[Column[Line], ...] = (
    Column("Category", lambda line: line["category"]),
    *ASNS[2:],
)
MAINTAINERS: tuple[Column[Line], ...] = (
    Column("Maintainer", lambda line: line["maintainer"], gives_way=True),
    *ASNS[2:],
)
TABLES = {
    "feeds": FEEDS,
    "categories": CATEGORIES,
    "maintainers": MAINTAINERS,
    "asns": ASNS,
    "countries": COUNTRIES,
}


def print_page(shown: dict[str, Any], output: Format) -> None:
    """`shown` is what the operation `entities.show` answers."""
    if output is Format.json:
        sys.stdout.write(shown["text"])
        return
    page = json.loads(shown["text"])
    if not output.for_people or "totals" not in page:
        from windlass_cli.results import print_result

        print_result(page, output)
        return
    from windlass_cli import screen

    console = screen.console()
    for part in _parts(page, shown["generation"], everything=output is Format.wide):
        console.print(part)


def _parts(page: dict[str, Any], generation: int, *, everything: bool) -> Iterator[Any]:
    from windlass_cli import screen
    from windlass_cli.tables import table

    yield screen.styled(_title(page), "bold")
    yield screen.styled(f"{_totals(page['totals'])} (generation {generation})", "dim")
    for name, columns in TABLES.items():
        lines = page.get(name) or []
        if not lines:
            continue
        yield ""
        yield screen.styled("ASNs" if name == "asns" else name.capitalize(), "bold cyan")
        yield table(lines if everything else lines[:LINES], columns)
        if len(lines) > LINES and not everything:
            yield screen.styled(f"… and {len(lines) - LINES:,} more; -o wide shows them", "dim")


def _title(page: dict[str, Any]) -> str:
    return f"Country {page['code']}" if "code" in page else f"AS{page['asn']} {page['name'] or ''}".strip()


def _totals(totals: dict[str, Any]) -> str:
    others = "asns" if "asns" in totals else "countries"
    noun = {"asns": "ASN", "countries": "country"}[others]
    said = [
        f"{totals['attributed_ips']:,} addresses on feeds, of {totals['addresses']:,}",
        words.counted(totals["feeds"], "feed"),
        words.counted(totals[others], noun, "countries" if noun == "country" else ""),
    ]
    return ", ".join(said)
