"""Reading the tables of countries and ASNs: CSV and MMDB, what is bad and why."""

from __future__ import annotations

import gzip
import io
import random
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import maxminddb
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass_entities.inputs.lines import BLOCK
from windlass_entities.inputs.mmdb_tree import Tree
from windlass_entities.inputs.overlaps import overlapping
from windlass_entities.inputs.rows import Rows, TableName, country_number
from windlass_entities.inputs.tables import Table, read_table

from tests.plugins.entities.mmdb import mmdb

Row = tuple[str, str, int]


def rows(table: Table) -> list[Row]:
    return [*_rows(table.v4), *_rows(table.v6)]


def _rows(side: Rows) -> list[Row]:
    kind = ip_address if side.first.dtype == object else lambda at: ip_address(int(at))
    spans = zip(side.first, side.last, side.value, strict=True)
    return [(str(kind(first)), str(kind(last)), int(value)) for first, last, value in spans]


def problems(table: Table) -> list[tuple[int, str]]:
    return [(bad.number, bad.why) for bad in table.bad]


COUNTRIES = b"""start,end,country
1.0.0.0,1.0.0.255,AU
# a comment

"1.0.1.0","1.0.1.255","cn"
2001:db8::,2001:db8::ffff,DE
1.0.2.0,1.0.2.255,
"""
ASNS = b"""1.0.0.0,1.0.0.255,13335,"Cloudflare, Inc."
1.0.1.0,1.0.1.255,AS64500,"LLC ""SPUTNIK"\""
1.0.2.0,1.0.2.255,64501,T\xc3\xa9l\xc3\xa9com 2.0
1.0.3.0,1.0.3.255,64500,another name
1.0.4.0,1.0.4.255,64502
2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,64503,Six
"""


@pytest.mark.parametrize("packed", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_countries_are_read_from_csv(packed) -> None:
    found = read_table(packed(COUNTRIES), "countries")
    assert rows(found) == [
        ("1.0.0.0", "1.0.0.255", country_number("AU")),
        ("1.0.1.0", "1.0.1.255", country_number("CN")),
        ("1.0.2.0", "1.0.2.255", 0),
        ("2001:db8::", "2001:db8::ffff", country_number("DE")),
    ]
    assert (found.bad, found.bad_count) == ([], 0)


def test_asns_and_their_first_names_are_read_from_csv() -> None:
    found = read_table(ASNS.replace(b"\n", b"\r\n"), "asns")
    assert [value for _, _, value in rows(found)] == [13335, 64500, 64501, 64500, 64502, 64503]
    assert found.names == {
        13335: "Cloudflare, Inc.",
        64500: 'LLC "SPUTNIK"',
        64501: "Télécom 2.0",
        64503: "Six",
    }
    assert found.bad == []


BAD = [
    ("asns", "1.2.3,1.2.3.9,1,x", "Expected 4 octets"),
    ("asns", "1.2.3.9,1.2.3.4,1,x", "a range that runs backwards"),
    ("asns", "1.2.3.4,1.2.3.300,1,x", "Octet 300 (> 255) not permitted"),
    ("asns", "01.2.3.4,1.2.3.9,1,x", "Leading zeros are not permitted in '01'"),
    ("asns", "1.2.3.4,::9,1,x", "a range from one address family to the other"),
    ("asns", "1.2.3.4,1.2.3.9,many,x", "an ASN is a number up to 4294967295"),
    ("asns", "1.2.3.4,1.2.3.9,4294967296,x", "an ASN is a number up to 4294967295"),
    ("asns", "1.2.3.4,1.2.3.9,1,x,y", "5 fields where start,end,asn,name belong"),
    ("asns", '1.2.3.4,1.2.3.9,1,"x', "unexpected end of data"),
    ("asns", '1.2.3.4,1.2.3.9,1,"x" y', "',' expected after '\"'"),
    ("asns", "1.2.3.4,1.2.3.9", "less than three fields"),
    ("countries", "1.2.3.4,1.2.3.9,DEU", "a country is two letters"),
    ("countries", "1.2.3.4,1.2.3.9,D1", "a country is two letters"),
    ("countries", "1.2.3.4,1.2.3.9,DE,Berlin", "4 fields where start,end,country belong"),
    ("countries", "1.0.0.7,1.0.0.7,DE", "overlaps an earlier row"),
    ("countries", "0.0.0.0,1.0.0.0,DE", "overlaps an earlier row"),
    ("countries", "2001:db8::5,2001:db8::5,DE", "overlaps an earlier row"),
]


@pytest.mark.parametrize(("table", "row", "why"), BAD, ids=[row for _, row, _ in BAD])
def test_a_bad_row_is_counted_with_its_number_and_reason(table, row: str, why: str) -> None:
    lines = COUNTRIES if table == "countries" else ASNS
    good = rows(read_table(lines, table))
    found = read_table(
        lines + row.encode() + (b"\n1.9.0.0,1.9.0.9,ZA\n" if table == "countries" else b"\n1.9.0.0,1.9.0.9,77\n"), table
    )
    number = lines.count(b"\n") + 1
    assert [(at, said.startswith(why)) for at, said in problems(found)] == [(number, True)], found.bad
    assert len(rows(found)) == len(good) + 1
    assert found.bad_count == 1


def test_bad_rows_are_told_in_order_and_all_are_counted() -> None:
    data = b"1.0.0.0,1.0.0.255,AU\n" + b"1.0.0.9,1.0.0.9,AU\nnonsense\n" * 90
    found = read_table(data, "countries")
    assert found.bad_count == 180
    assert [bad.number for bad in found.bad] == list(range(2, 102))
    assert str(found.bad[0]) == "line 2: overlaps an earlier row: 1.0.0.9 – 1.0.0.9"


def test_line_numbers_hold_over_blocks() -> None:
    addresses = (str(ip_address(at)) for at in range(2**24, 2**24 + 60_000))
    data = "".join(f"{address},{address},DE\n" for address in addresses) + "wrong\n1.0.0.5,1.0.0.5,US\n"
    assert len(data) > BLOCK
    assert [bad.number for bad in read_table(data.encode(), "countries").bad] == [60_001, 60_002]


SPAN = st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda at: (at[0], at[0] + at[1]))


@given(st.lists(SPAN, max_size=12), st.booleans())
def test_a_row_is_bad_when_it_overlaps_one_that_was_kept_before(spans: list[tuple[int, int]], wide: bool) -> None:
    base = 2**100 if wide else 0
    kept: list[tuple[int, int]] = []
    expected = []
    for first, last in spans:
        clash = any(first <= end and begin <= last for begin, end in kept)
        expected.append(clash)
        if not clash:
            kept.append((first, last))
    bounds = np.array([[base + at for at in span] for span in spans], object if wide else np.int64).reshape(-1, 2)
    assert overlapping(bounds[:, 0], bounds[:, 1]).tolist() == expected


NAMES = st.text(st.sampled_from("abé \",.'#;1"), max_size=8)
ADDRESSES = st.integers(0, 2**32 - 1).map(lambda at: str(ip_address(at))) | st.sampled_from(
    ["1.2.3", "::1", "01.0.0.0", ""]
)
FIELDS = st.sampled_from(
    ["DE", "de", "D", "DEU", "", "0", "1", "13335", "4294967295", "4294967296", "99999999999", "-1", "AS5", " 5"]
)


@given(
    st.lists(st.tuples(ADDRESSES, ADDRESSES, FIELDS, NAMES), max_size=6),
    st.sampled_from(["countries", "asns"]),
    st.booleans(),
)
def test_numpy_reads_a_row_as_the_slow_way_does(written, table, quoted: bool) -> None:
    quote = '"{}"'.format if quoted else str
    named = table == "asns"
    lines = [
        ",".join((first, last, value, quote(name)) if named else (first, last, value))
        for first, last, value, name in written
    ]
    good = "223.0.0.0,223.0.0.9,7777,good" if named else "223.0.0.0,223.0.0.9,ZA"
    fast = read_table("\n".join(["# no header", *lines, good]).encode(), table)
    slow = read_table("\n".join(["# no header", *(" " + line for line in lines), good]).encode(), table)
    assert (rows(fast), fast.names, problems(fast)) == (rows(slow), slow.names, problems(slow))


TORN = [
    ("countries", b"", "holds no country: is it the right table?"),
    ("countries", b"\0" * 5000, "holds no country"),
    ("countries", b"1.0.0.0,1.0.0.9,\n", "holds no country"),
    ("countries", ASNS, "holds no country: is it the right table?; line 1: 4 fields"),
    ("asns", COUNTRIES, "holds no ASN: is it the right table?; line 2: an ASN is a number"),
    ("countries", gzip.compress(COUNTRIES)[:60], "torn gzip"),
    ("countries", gzip.compress(COUNTRIES)[:40] + b"\0" * 40, "torn gzip"),
    ("countries", b"\x1f\x8bnonsense", "torn gzip"),
]


@pytest.mark.parametrize(("table", "data", "why"), TORN, ids=[str(at) for at in range(len(TORN))])
def test_a_table_of_which_nothing_can_be_used_is_refused(table, data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=r"\?".join(why.split("?"))):
        read_table(data, table)


GEO: dict[str, dict] = {
    "1.0.0.0/24": {"country": {"iso_code": "AU", "names": {"en": "Australia"}}, "location": {"zone": "x" * 40}},
    "1.0.1.0/24": {"country_code": "CN"},
    "1.0.2.0/23": {"country": "DE"},
    "1.0.4.0/24": {"continent": {"code": "EU"}},
    "1.0.5.0/24": {"country": "Germany"},
    "2001:db8::/32": {"country": {"iso_code": "FR"}},
    "2001:db9::/32": {"country": {"iso_code": "F"}},
}


def test_countries_are_read_from_mmdb() -> None:
    found = read_table(mmdb(GEO), "countries")
    assert rows(found) == [
        ("1.0.0.0", "1.0.0.255", country_number("AU")),
        ("1.0.1.0", "1.0.1.255", country_number("CN")),
        ("1.0.2.0", "1.0.3.255", country_number("DE")),
        ("1.0.4.0", "1.0.4.255", 0),
        ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", country_number("FR")),
    ]
    assert [str(bad) for bad in found.bad] == [
        "line 5: a country is two letters: 1.0.5.0 – 1.0.5.255",
        "line 7: a country is two letters: 2001:db9:: – 2001:db9:ffff:ffff:ffff:ffff:ffff:ffff",
    ]


@pytest.mark.parametrize("ip_version", [4, 6])
def test_asns_are_read_from_mmdb(ip_version: int) -> None:
    data = mmdb(
        {
            "1.0.0.0/24": {"autonomous_system_number": 13335, "autonomous_system_organization": "Cloudflare, Inc."},
            "1.0.1.0/24": {"asn": "AS64500", "as_name": "Five"},
            "1.0.2.0/24": {"asn": 64501, "name": "Six"},
            "200.0.0.0/8": {"asn": 0},
        },
        ip_version,
    )
    found = read_table(data, "asns")
    assert [value for _, _, value in rows(found)] == [13335, 64500, 64501, 0]
    assert rows(found)[-1][:2] == ("200.0.0.0", "200.255.255.255")
    assert found.names == {13335: "Cloudflare, Inc.", 64500: "Five", 64501: "Six"}


def test_an_asn_of_an_mmdb_has_the_name_of_its_first_network() -> None:
    named = {"2.0.0.0/8": {"asn": 7, "name": "second"}, "1.0.0.0/8": {"asn": 7, "name": "first"}}
    assert read_table(mmdb(named), "asns").names == {7: "first"}


def network(at: int, length: int) -> Any:
    return ip_network((at, length), strict=False)


V4_NETWORKS = st.builds(network, st.integers(0, 2**32 - 1), st.integers(1, 32))
V6_NETWORKS = st.builds(network, st.integers(2**125, 2**128 - 1), st.integers(4, 128))


@given(st.lists(V4_NETWORKS | V6_NETWORKS, max_size=12), st.sampled_from([24, 28, 32]), st.data())
def test_the_tree_is_walked_as_the_library_walks_it(networks, record_size: int, data) -> None:
    apart = [each for at, each in enumerate(networks) if not any(overlap(each, other) for other in networks[:at])]
    ip_version = 6 if any(each.version == 6 for each in apart) else data.draw(st.sampled_from([4, 6]))
    said = {str(each): {"asn": number} for number, each in enumerate(apart, 1)}
    written = mmdb({"9.9.9.9/32": {"asn": 99}} if not apart else said, ip_version, record_size)
    with maxminddb.open_database(io.BytesIO(written), maxminddb.MODE_FD) as reader:
        expected = [(str(each[0]), str(each[-1]), record["asn"]) for each, record in reader]
    found = read_table(written, "asns")
    assert sorted(rows(found)) == sorted(expected)
    assert found.bad == []


def overlap(one, other) -> bool:
    return bool(one.version == other.version and one.overlaps(other))


@pytest.mark.parametrize(
    ("record_size", "written"), [(24, "12345689abcd"), (28, "23456719abcdef"), (32, "1234567889abcdef")]
)
def test_records_of_every_size_are_read_with_all_their_bits(record_size: int, written: str) -> None:
    found = Tree(bytes.fromhex(written), 1, record_size).v4(4)
    expected = {24: [0x123456, 0x89ABCD], 28: [0x1234567, 0x9ABCDEF], 32: [0x12345678, 0x89ABCDEF]}
    assert found.pointer.tolist() == expected[record_size]


def test_an_mmdb_that_runs_in_circles_is_refused() -> None:
    whole = mmdb({"128.0.0.0/1": {"country": "DE"}}, 4)
    with pytest.raises(ValueError, match="a torn MMDB: its tree runs in circles"):
        read_table(bytes(6) + whole[6:], "countries")


def test_a_damaged_mmdb_is_refused_or_read_and_never_ends_the_process() -> None:
    whole = mmdb(GEO)
    refused = 0
    for seed in range(300):
        dice = random.Random(seed)
        data = bytearray(whole)
        for _ in range(dice.randint(1, 20)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        try:
            read_table(bytes(data), "countries")
        except ValueError:
            refused += 1
    assert refused > 100


def test_the_same_facts_give_the_same_rows_from_csv_and_mmdb() -> None:
    networks = {"1.0.0.0/24": "AU", "1.0.1.0/24": "CN", "2001:db8::/32": "DE"}
    lines = "1.0.0.0,1.0.0.255,AU\n1.0.1.0,1.0.1.255,CN\n2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,DE\n"
    written = mmdb({each: {"country_code": code} for each, code in networks.items()})
    assert rows(read_table(written, "countries")) == rows(read_table(lines.encode(), "countries"))


def test_the_real_tables_are_read(data: Path) -> None:
    """The country table has rows within rows; the sum of what is kept and what is bad is every line."""
    tables: list[tuple[str, TableName]] = [("country-ipv4", "countries"), ("asn-ipv4", "asns")]
    for name, table in tables:
        packed = (data / f"geo/{name}.csv.gz").read_bytes()
        found = read_table(packed, table)
        assert len(found.v4) + found.bad_count == gzip.decompress(packed).count(b"\n")
        assert {bad.why for bad in found.bad} <= {"overlaps an earlier row"}
