"""How fast feeds are laid over the tables of countries and ASNs, and how fast one look-up an address would be.

As a program, `python -m bench.attribution DATA CACHE`, it reads everything once, afresh, and says what it took.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, summarize_address_range
from os import environ
from pathlib import Path

import radix  # type: ignore[import-untyped]
import windlass_entities
from windlass_entities.atlas import Atlas
from windlass_entities.inputs import read_list
from windlass_entities.inputs.tables import read_table
from windlass_entities.ranges import Coverage

from bench.measures import Row

SINGLE = ("openai", "ipsum_l5")
"""Feeds that are looked up address by address."""


def attribution(dsn: str) -> list[Row]:
    """All feeds of the first wave of WINDLASS_DATA, or of the small sample."""
    data = Path(environ.get("WINDLASS_DATA") or Path(windlass_entities.__file__).parent / "sample")
    with tempfile.TemporaryDirectory() as cache:
        without, with_cache = (_fresh(data, cache) for _ in range(2))
        atlas = _atlas(data, Path(cache))
    feeds, single = "feeds read and laid over the tables", _one_by_one(data, atlas)
    rate = without["addresses"] / without["members"]
    return [
        Row(f"{feeds}, fresh process", without["all"] * 1e3, "ms", f"peak {without['peak']:.0f} MiB"),
        Row(f"{feeds}, tables cached", with_cache["all"] * 1e3, "ms", f"peak {with_cache['peak']:.0f} MiB"),
        Row(
            "tables read and joined", without["atlas"] * 1e3, "ms", f"{with_cache['atlas'] * 1e3:.0f} ms from the cache"
        ),
        Row("lists read", without["lists"] * 1e3, "ms", f"{without['entries']:,.0f} entries"),
        Row("feeds laid over the tables", without["members"] * 1e3, "ms", f"{rate / 1e6:,.0f} million addresses/s"),
        Row("one by one with py-radix", single / 1e3, "k/s", f"measured on {' and '.join(SINGLE)}"),
        Row("one by one with py-radix, all feeds", without["addresses"] / single, "s", "extrapolated from these two"),
    ]


MEASURES: dict[str, Callable[[str], list[Row]]] = {"attribution": attribution}


def _fresh(data: Path, cache: str) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.attribution", str(data), cache]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return found


def _whole(data: Path, cache: Path) -> dict[str, float]:
    began = time.perf_counter()
    atlas = _atlas(data, cache)
    loaded = time.perf_counter()
    lists = [read_list(path.read_bytes()) for path in sorted(data.glob("feeds/wave1/*.netset"))]
    read = time.perf_counter()
    members = [atlas.members(found.coverage) for found in lists]
    ended = time.perf_counter()
    return {
        "atlas": loaded - began,
        "lists": read - loaded,
        "members": ended - read,
        "all": ended - began,
        "entries": sum(found.entries for found in lists),
        "addresses": sum(found.unique for found in members),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _atlas(data: Path, cache: Path) -> Atlas:
    return Atlas.load(data / "geo/country-ipv4.csv.gz", data / "geo/asn-ipv4.csv.gz", cache)


def _one_by_one(data: Path, atlas: Atlas) -> float:
    """Addresses a second.  The trees hold only the rows that the feeds touch, which is to their advantage."""
    coverages = [read_list((data / f"feeds/wave1/{name}.netset").read_bytes()).coverage for name in SINGLE]
    trees = [_tree(data, "country", coverages), _tree(data, "asn", coverages)]
    seconds = 0.0
    for coverage in coverages:
        addresses = [str(IPv4Address(at)) for at in _addresses(coverage)]
        began = time.perf_counter()
        found = Counter(tuple(_value(tree, address) for tree in trees) for address in addresses)
        seconds += time.perf_counter() - began
        assert len(found.keys() - {(0, 0)}) == len(atlas.members(coverage)), "both ways find the same places"
    return sum(coverage.v4.count for coverage in coverages) / seconds


def _tree(data: Path, table: str, coverages: list[Coverage]) -> radix.Radix:
    rows = read_table((data / f"geo/{table}-ipv4.csv.gz").read_bytes(), "asns" if table == "asn" else "countries").v4
    touched: set[int] = set()
    for v4 in (coverage.v4 for coverage in coverages):
        bounds = zip(rows.last.searchsorted(v4.first), rows.first.searchsorted(v4.last, "right"), strict=True)
        touched.update(at for low, high in bounds for at in range(low, high))
    tree = radix.Radix()
    for at in touched:
        for network in summarize_address_range(IPv4Address(int(rows.first[at])), IPv4Address(int(rows.last[at]))):
            tree.add(str(network)).data["value"] = int(rows.value[at])
    return tree


def _value(tree: radix.Radix, address: str) -> int:
    node = tree.search_best(address)
    return node.data["value"] if node else 0


def _addresses(coverage: Coverage) -> Iterator[int]:
    for first, last in zip(coverage.v4.first.tolist(), coverage.v4.last.tolist(), strict=True):
        yield from range(first, last + 1)


if __name__ == "__main__":
    print(json.dumps(_whole(Path(sys.argv[1]), Path(sys.argv[2]))))
