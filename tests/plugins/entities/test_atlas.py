"""The atlas: what a feed has in each country and ASN, against one look-up an address with `ipaddress`."""

from __future__ import annotations

import csv
import gzip
import tempfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass_entities.atlas import Atlas, UnreadableTable
from windlass_entities.inputs import read_list
from windlass_entities.members import Members
from windlass_entities.ranges import V4_LAST, V6_LAST, coverage_of

from tests.plugins.entities.mmdb import mmdb

Address = Any
"""Of either family."""
Cells = dict[tuple[str, int], int]


def cells(members: Members) -> Cells:
    """What members say, by country and ASN."""
    codes = [code.decode() for code in members.country.tolist()]
    return dict(zip(zip(codes, members.asn.tolist(), strict=True), map(int, members.count), strict=True))


class OneByOne:
    """A table as a person reads it: from the top, no row that overlaps one before."""

    def __init__(self, path: Path) -> None:
        self.first: list[Address] = []
        self.rows: list[tuple[Address, Address, str]] = []
        with gzip.open(path, "rt", newline="") as source:
            for row in csv.reader(source):
                self._add(ip_address(row[0]), ip_address(row[1]), row[2])

    def _add(self, first: Address, last: Address, value: str) -> None:
        """The real tables are sorted: only the last row kept can reach into this one."""
        if not self.rows or self.rows[-1][1] < first:
            self.first.append(first)
            self.rows.append((first, last, value))

    def value(self, address: Address) -> str:
        at = bisect_right(self.first, address) - 1
        return self.rows[at][2] if at >= 0 and self.rows[at][1] >= address else ""


def loaded(data: Path, cache: Path) -> Atlas:
    return Atlas.load(data / "geo/country-ipv4.csv.gz", data / "geo/asn-ipv4.csv.gz", cache)


@pytest.fixture(scope="session")
def atlas(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    return loaded(data, tmp_path_factory.mktemp("atlas"))


SMALL_FEEDS = ["openai", "tor_exits", "telegram", "ipsum_l5"]


@pytest.fixture(scope="session")
def countries(data: Path) -> OneByOne:
    return OneByOne(data / "geo/country-ipv4.csv.gz")


@pytest.fixture(scope="session")
def asns(data: Path) -> OneByOne:
    return OneByOne(data / "geo/asn-ipv4.csv.gz")


def test_every_cell_of_real_feeds_is_what_one_by_one_look_ups_find(
    data: Path, atlas: Atlas, countries: OneByOne, asns: OneByOne
) -> None:
    compared = 0
    for feed in SMALL_FEEDS:
        lines = (data / f"feeds/wave1/{feed}.netset").read_bytes()
        expected, unattributed = looked_up(addresses_of(lines.decode()), countries, asns)
        found = atlas.members(read_list(lines).coverage)
        assert cells(found) == expected, feed
        assert found.unattributed == unattributed
        assert found.unique == expected.total() + unattributed
        compared += len(expected)
    assert compared >= 10


def addresses_of(text: str) -> set[Address]:
    found: set[Address] = set()
    for line in text.splitlines():
        if not line.startswith("#"):
            first, _, prefix = line.partition("/")
            begin = ip_address(first)
            length = 1 << (begin.max_prefixlen - int(prefix or begin.max_prefixlen))
            found |= {begin + at for at in range(length)}
    return found


def looked_up(addresses: set[Address], countries: OneByOne, asns: OneByOne) -> tuple[Counter[tuple[str, int]], int]:
    found: Counter[tuple[str, int]] = Counter()
    for address in addresses:
        if address.version == 4:
            found[countries.value(address), int(asns.value(address) or 0)] += 1
    return found, len(addresses) - found.total() + found.pop(("", 0), 0)


def test_a_real_feed_is_counted_whole(data: Path, atlas: Atlas) -> None:
    for path in sorted(data.glob("feeds/wave*/*.netset")):
        coverage = read_list(path.read_bytes()).coverage
        members = atlas.members(coverage)
        assert members.unique == coverage.unique
        assert int(members.count.sum()) + members.unattributed == coverage.unique
        assert (members.count >= 1).all()
        keys = list(cells(members))
        assert keys == sorted(set(keys))
        assert Members.from_bytes(members.to_bytes()) == members


def test_the_addresses_of_real_countries_and_asns_are_the_sums_of_their_rows(
    atlas: Atlas, countries: OneByOne, asns: OneByOne
) -> None:
    of_countries, of_asns = summed(countries), summed(asns)
    assert {code: atlas.country_addresses(code) for code in of_countries} == of_countries
    assert {asn: atlas.asn_addresses(int(asn)) for asn in of_asns} == of_asns
    assert atlas.country_codes == sorted(of_countries)
    assert atlas.asns == sorted(map(int, of_asns))
    assert atlas.country_addresses("ZZ") == atlas.asn_addresses(64_499) == 0
    assert set(atlas.asn_names) <= set(atlas.asns)
    assert atlas.asn_names[13335] == "Cloudflare, Inc."


def summed(table: OneByOne) -> dict[str, int]:
    sums: Counter[str] = Counter()
    for first, last, value in table.rows:
        sums[value] += int(last) - int(first) + 1
    return dict(sums)


# Small universes: 48 addresses of each family, in which ranges overlap, touch and repeat.
BASES: dict[int, Address] = {4: IPv4Address("10.0.0.0"), 6: IPv6Address("2001:db8::")}
SPAN = st.tuples(st.sampled_from([4, 6]), st.integers(0, 40), st.integers(0, 7))
COUNTRY_ROWS = st.lists(st.tuples(SPAN, st.sampled_from(["AU", "DE", "US", ""])), max_size=8)
ASN_ROWS = st.lists(st.tuples(SPAN, st.sampled_from(["0", "1", "23456", "4294967295"])), max_size=8)
FEED = st.lists(SPAN | st.sampled_from([(4, None, 0), (6, None, 0)]), max_size=8)
Span = tuple[int, int | None, int]


def bounds(span: Span) -> tuple[Address, Address]:
    family, at, more = span
    if at is None:
        return (IPv4Address(0), IPv4Address(V4_LAST)) if family == 4 else (IPv6Address(0), IPv6Address(V6_LAST))
    return BASES[family] + at, BASES[family] + at + more


@given(COUNTRY_ROWS, ASN_ROWS, FEED)
def test_members_are_what_one_by_one_look_ups_find(country_rows, asn_rows, feed: list[Span]) -> None:
    # One row of each that no feed of a few addresses meets: a table without any value is refused.
    tables = [[*country_rows, ((4, 200, 0), "ZA")], [*asn_rows, ((4, 200, 0), "77")]]
    kept = [list(without_overlaps(rows)) for rows in tables]
    with tempfile.TemporaryDirectory() as folder:
        found = written(Path(folder), *tables).members(listed(feed))
    expected: Counter[tuple[str, int]] = Counter()
    for address in universe():
        if any(first <= address <= last for first, last in map(bounds, feed) if first.version == address.version):
            country, asn = (said_of(address, rows) for rows in kept)
            expected[country, int(asn or 0)] += 1
    expected.pop(("", 0), None)
    assert cells(found) == expected
    assert list(cells(found)) == sorted(expected)
    assert found.unattributed == found.unique - expected.total()


def without_overlaps(rows: list[tuple[Span, str]]) -> Iterator[tuple[Address, Address, str]]:
    kept: list[tuple[Address, Address]] = []
    for span, value in rows:
        first, last = bounds(span)
        if not any(first.version == begin.version and first <= end and begin <= last for begin, end in kept):
            kept.append((first, last))
            yield first, last, value


def said_of(address: Address, rows: list[tuple[Address, Address, str]]) -> str:
    return next(
        (value for first, last, value in rows if first.version == address.version and first <= address <= last), ""
    )


def universe() -> Iterator[Address]:
    yield from (base + at for base in BASES.values() for at in range(48))
    yield BASES[4] + 200


def listed(feed: list[Span]):
    lines = ["{}-{}".format(*bounds(span)) for span in feed]
    return read_list("\n".join(lines).encode()).coverage


def written(folder: Path, country_rows, asn_rows) -> Atlas:
    for name, rows, more in (("countries.csv", country_rows, ""), ("asns.csv", asn_rows, ',"a, name"')):
        lines = [
            f"{first},{last},{value}{more}" for (first, last), value in ((bounds(span), value) for span, value in rows)
        ]
        (folder / name).write_text("\n".join(lines) + "\n")
    return Atlas.load(folder / "countries.csv", folder / "asns.csv", folder / "cache")


def tables(folder: Path, countries: str, asns: str) -> tuple[Path, Path, Path]:
    (folder / "countries.csv").write_text(countries)
    (folder / "asns.csv").write_text(asns)
    return folder / "countries.csv", folder / "asns.csv", folder / "cache"


def test_everything_there_is_counts_exactly(tmp_path: Path) -> None:
    """Numbers that a float would round, and one that not even 128 bits hold."""
    everything = "0.0.0.0,255.255.255.255,{0}\n::,8000::,{0}\n8000::1,ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff,{1}\n"
    atlas = Atlas.load(*tables(tmp_path, everything.format("DE", "US"), everything.format("7", "7")))
    found = atlas.members(coverage_of([(0, V4_LAST)], [(0, V6_LAST)]))
    assert cells(found) == {("DE", 7): 2**32 + 2**127 + 1, ("US", 7): 2**127 - 1}
    assert (found.unique, found.unattributed) == (2**32 + 2**128, 0)
    assert Members.from_bytes(found.to_bytes()) == found
    assert atlas.country_addresses("DE") == 2**32 + 2**127 + 1
    assert atlas.asn_addresses(7) == 2**32 + 2**128
    few = atlas.members(coverage_of([], [(5, 2**60 + 5)]))
    assert cells(few) == {("DE", 7): 2**60 + 1}
    assert few.count.dtype == object
    assert atlas.members(coverage_of([(5, 9)], [(5, 9)])).count.dtype == np.int64


def test_a_feed_of_nothing_has_no_members(atlas: Atlas) -> None:
    found = atlas.members(coverage_of())
    assert (len(found), found.unique, found.unattributed) == (0, 0, 0)
    assert Members.from_bytes(found.to_bytes()) == found


def test_members_of_other_tables_are_others(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    first = Atlas.load(*tables(one, "1.0.0.0,1.0.0.9,DE\n", "1.0.0.0,1.0.0.9,7\n"))
    second = Atlas.load(*tables(two, "1.0.0.0,1.0.0.9,DE\n", "1.0.0.0,1.0.0.9,7\n2.0.0.0,2.0.0.0,8\n"))
    feed = coverage_of([(2**24, 2**24 + 5)])
    assert cells(first.members(feed)) == cells(second.members(feed))
    assert (first.members(feed).atlas, first.digest) == (first.digest, first.members(feed).atlas)
    assert first.members(feed) != second.members(feed)


def test_torn_members_are_refused(atlas: Atlas) -> None:
    whole = atlas.members(read_list(b"104.16.0.0/13\n2001:db8::/32\n").coverage).to_bytes()
    for length in range(0, len(whole), 3):
        with pytest.raises(ValueError, match=r"torn|something else"):
            Members.from_bytes(whole[:length])
    with pytest.raises(ValueError, match="something else"):
        Members.from_bytes(coverage_of([(1, 2)]).to_bytes())


def test_members_that_do_not_add_up_are_refused(atlas: Atlas) -> None:
    found = atlas.members(read_list(b"104.16.0.0/13\n").coverage)
    with pytest.raises(ValueError, match="its counts do not add up"):
        Members.from_bytes(replace(found, unattributed=found.unattributed + 1).to_bytes())


def same(one: Atlas, other: Atlas) -> bool:
    feed = coverage_of([(0, V4_LAST)], [(0, V6_LAST)])
    facts = [(it.digest, it.asn_names, it.problems, it.bad_rows, it.country_codes, it.asns) for it in (one, other)]
    return facts[0] == facts[1] and one.members(feed) == other.members(feed)


MIXED = (
    "1.0.0.0,1.0.0.9,DE\n1.0.0.5,1.0.0.5,US\n2001:db8::,2001:db8::9,US\n",
    "1.0.0.3,1.0.0.9,7,Sé\n2001:db8::5,2001:db8::5,8\n",
)


@pytest.fixture
def mixed(tmp_path: Path) -> tuple[Path, Path, Path]:
    return tables(tmp_path, *MIXED)


def kept(mixed: tuple[Path, Path, Path]) -> Path:
    (found,) = mixed[2].iterdir()
    return found


def test_the_second_load_comes_from_the_cache(mixed: tuple[Path, Path, Path]) -> None:
    first = Atlas.load(*mixed)
    before = kept(mixed).stat()
    second = Atlas.load(*mixed)
    assert same(first, second)
    assert (kept(mixed).stat().st_ino, kept(mixed).stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [str(problem) for problem in second.problems] == [
        "countries, row 2: overlaps an earlier row: 1.0.0.5 – 1.0.0.5"
    ]
    assert second.bad_rows == {"countries": 1, "asns": 0}


def test_a_torn_or_foreign_cache_is_made_anew(mixed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    first = Atlas.load(*mixed)
    whole = kept(mixed).read_bytes()
    (tmp_path / "other").mkdir()
    other = tables(tmp_path / "other", *reversed([MIXED[1].replace("Sé", "X"), MIXED[0]]))
    Atlas.load(*other)
    foreign = kept(other).read_bytes()
    assert foreign != whole
    for content in (b"", whole[:-1], whole[: len(whole) // 2], b"\0" * len(whole), whole[:-9] + b"\0" * 9, foreign):
        kept(mixed).write_bytes(content)
        assert same(Atlas.load(*mixed), first)
        assert kept(mixed).read_bytes() == whole


def test_the_cache_keeps_one_state_of_the_tables(mixed: tuple[Path, Path, Path]) -> None:
    Atlas.load(*mixed)
    old = kept(mixed)
    (mixed[2] / "0000.atlas.leftover").write_bytes(b"half")
    mixed[0].write_text("1.0.0.0,1.0.0.9,FR\n")
    Atlas.load(*mixed)
    assert kept(mixed) != old


def test_a_cache_that_cannot_be_written_costs_only_time(mixed: tuple[Path, Path, Path]) -> None:
    mixed[2].write_text("a file where the folder belongs")
    assert same(Atlas.load(*mixed), Atlas.load(*mixed))


def test_many_may_make_the_cache_at_once(mixed: tuple[Path, Path, Path]) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: Atlas.load(*mixed), range(24)))
    assert all(same(found[0], each) for each in found)
    Atlas.load(*mixed)
    assert kept(mixed).suffix == ".atlas"


def test_tables_in_mmdb_give_the_same_members(tmp_path: Path) -> None:
    paths = tables(tmp_path, "1.0.0.0,1.0.5.255,DE\n2001:db8::,2001:db8::ff,US\n", "1.0.1.0,1.0.2.255,7,Seven\n")
    rows = [("1.0.0.0", "1.0.5.255", "DE"), ("2001:db8::", "2001:db8::ff", "US")]
    networks = {
        str(network): {"country": {"iso_code": code}}
        for first, last, code in rows
        for network in summarize_address_range(ip_address(first), ip_address(last))
    }
    (tmp_path / "countries.mmdb").write_bytes(mmdb(networks))
    said = {"autonomous_system_number": 7, "autonomous_system_organization": "Seven"}
    (tmp_path / "asns.mmdb").write_bytes(mmdb({"1.0.1.0/24": said, "1.0.2.0/24": said}))
    feed = read_list(b"1.0.0.77-1.0.2.9\n2001:db8::/120\n9.9.9.9\n").coverage
    one = Atlas.load(*paths)
    other = Atlas.load(tmp_path / "countries.mmdb", tmp_path / "asns.mmdb", tmp_path / "cache")
    assert cells(one.members(feed)) == cells(other.members(feed)) == {("DE", 0): 179, ("DE", 7): 266, ("US", 0): 256}
    assert other.asn_names == one.asn_names == {7: "Seven"}


def test_a_table_that_is_missing_or_useless_is_named(mixed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UnreadableTable, match=r"nowhere\.csv: No such file or directory"):
        Atlas.load(tmp_path / "nowhere.csv", mixed[1], mixed[2])
    mixed[1].write_bytes(b"\0" * 100)
    with pytest.raises(UnreadableTable, match=r"asns\.csv: holds no ASN: is it the right table\?"):
        Atlas.load(*mixed)
