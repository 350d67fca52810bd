"""The numbers on pages, against a computation that knows nothing of arrays: address by address, with ipaddress."""

from __future__ import annotations

import csv
import gzip
import json
from bisect import bisect
from collections import Counter
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from tests.plugins.entities.workshop import Workshop

EACH = 5
MOST = 5_000
"""Addresses of a place: all of them are looked at one by one."""
Spans = list[tuple[int, int]]


class Table:
    """Rows as they stand in the file; one that overlaps an earlier one does not count."""

    def __init__(self, path: Path) -> None:
        self.rows: list[tuple[int, int, str]] = []
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            for first, last, name, *_ in csv.reader(file):
                row = (int(ip_address(first)), int(ip_address(last)), name)
                at = bisect(self.rows, row)
                before, after = self.rows[max(at - 1, 0) : at], self.rows[at : at + 1]
                if all(each[1] < row[0] for each in before) and all(row[1] < each[0] for each in after):
                    self.rows.insert(at, row)

    def of(self, address: int) -> str | None:
        at = bisect(self.rows, (address, 1 << 200, ""))
        if at and self.rows[at - 1][1] >= address:
            return self.rows[at - 1][2]
        return None

    def spans(self) -> dict[str, Spans]:
        found: dict[str, Spans] = {}
        for first, last, name in self.rows:
            found.setdefault(name, []).append((first, last))
        return found


def networks(path: Path) -> Spans:
    """IPv4 only: the tables here have no other."""
    found = []
    for line in path.read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text and ":" not in text:
            network = ip_network(text, strict=False)
            found.append((int(network[0]), int(network[-1])))
    return found


def addresses(spans: Spans) -> Iterator[int]:
    for first, last in spans:
        yield from range(first, last + 1)


def held_in(place: Spans, feeds: dict[str, Spans]) -> dict[str, set[int]]:
    """The addresses of a place that each feed lists; the rows of a place are sorted and apart."""
    found = {name: {each for span in spans for each in common(place, span)} for name, spans in feeds.items()}
    return {name: listed for name, listed in found.items() if listed}


def common(place: Spans, span: tuple[int, int]) -> Iterator[int]:
    at = max(bisect(place, (span[0], 1 << 200)) - 1, 0)
    while at < len(place) and place[at][0] <= span[1]:
        yield from range(max(place[at][0], span[0]), min(place[at][1], span[1]) + 1)
        at += 1


def chosen(entries: list[dict[str, Any]], key: str, spans: dict[str, Spans]) -> list[str]:
    """Places small enough to be walked through, those with the most feeds first."""
    small = [entry for entry in entries if sum(last - first + 1 for first, last in spans[str(entry[key])]) <= MOST]
    return [str(entry[key]) for entry in sorted(small, key=lambda entry: (-entry["feeds"], entry[key]))][:EACH]


def test_ten_pages_say_what_counting_one_by_one_says(tmp_path: Path, data: Path) -> None:
    shop = Workshop(tmp_path / "shop", data)
    shop.wave(1)
    shop.rebuild()
    catalogue = json.loads(shop.catalogue.read_bytes())
    feeds = {path.stem: networks(path) for path in shop.folder.iterdir()}
    countries, asns = Table(data / "geo" / "country-ipv4.csv.gz"), Table(data / "geo" / "asn-ipv4.csv.gz")
    compared = 0
    for folder, key, table, other, other_key in (
        ("countries", "code", countries, asns, "asn"),
        ("asns", "asn", asns, countries, "code"),
    ):
        spans, others = table.spans(), "asns" if folder == "countries" else "countries"
        for name in chosen(shop.read(f"public/{folder}/index.json")[folder], key, spans):
            page, held = shop.read(f"public/{folder}/{name}.json"), held_in(spans[name], feeds)
            by_other = Counter(other.of(each) for listed in held.values() for each in listed)
            by_category = Counter(catalogue[feed]["category"] for feed, listed in held.items() for _ in listed)
            total = sum(map(len, held.values()))
            assert {line["feed"]: line["attributed_ips"] for line in page["feeds"]} == {
                feed: len(listed) for feed, listed in held.items()
            }
            assert {str(line[other_key]): line["attributed_ips"] for line in page[others]} == {
                where: count for where, count in by_other.items() if where is not None
            }
            assert [(line["category"], line["attributed_ips"]) for line in page["categories"]] == sorted(
                by_category.items(), key=lambda pair: (-pair[1], pair[0])
            )
            size = sum(last - first + 1 for first, last in spans[name])
            assert (page["totals"]["attributed_ips"], page["totals"]["addresses"]) == (total, size)
            compared += 1
    assert compared == 2 * EACH
    smallest = min(feeds, key=lambda feed: sum(last - first + 1 for first, last in feeds[feed]))
    assert shop.facts(smallest)["unique_ips"] == len(set(addresses(feeds[smallest])))
