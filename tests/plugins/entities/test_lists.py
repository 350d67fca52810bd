"""Reading address lists: what counts, what doesn't and why."""

from __future__ import annotations

import io
import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass_entities.inputs import BadLine, ReadList, read_list
from windlass_entities.inputs.lines import BLOCK, blocks
from windlass_entities.ranges import Coverage, coverage_of


def ranges(coverage: Coverage) -> list[str]:
    pairs = [*zip(coverage.v4.first, coverage.v4.last, strict=True)]
    shown = [f"{ipaddress.IPv4Address(int(a))}-{ipaddress.IPv4Address(int(b))}" for a, b in pairs]
    pairs = [*zip(coverage.v6.first, coverage.v6.last, strict=True)]
    return shown + [f"{ipaddress.IPv6Address(a)}-{ipaddress.IPv6Address(b)}" for a, b in pairs]


def test_every_form_of_a_line_is_read() -> None:
    found = read_list(
        b"\xef\xbb\xbf# a list\n"
        b"; and its other comments\n"
        b"\n"
        b"192.0.2.1\n"
        b"  192.0.2.2  # known\r\n"
        b"198.51.100.77/24\n"
        b"203.0.113.5-203.0.113.9;range\n"
        b"203.0.113.20 - 203.0.113.21\n"
        b"2001:db8::1\n"
        b"2001:db8:1::5/64\n"
        b"2001:db8:2::a-2001:db8:2::b\n"
        b"2001:DB8:0000:0000:0000:0000:0000:0002\n"
    )
    assert found.bad == []
    assert found.entries == 9
    assert ranges(found.coverage) == [
        "192.0.2.1-192.0.2.2",
        "198.51.100.0-198.51.100.255",
        "203.0.113.5-203.0.113.9",
        "203.0.113.20-203.0.113.21",
        "2001:db8::1-2001:db8::2",
        "2001:db8:1::-2001:db8:1:0:ffff:ffff:ffff:ffff",
        "2001:db8:2::a-2001:db8:2::b",
    ]


BAD = [
    ("1.2", "Expected 4 octets"),
    ("01.2.3.4", "Leading zeros are not permitted in '01'"),
    ("1.2.3.04", "Leading zeros are not permitted in '04'"),
    ("1.2.3.256", "Octet 256 (> 255) not permitted"),
    ("1.2.3.4/33", "the prefix after / must be a number from 0 to 32"),
    ("1.2.3.4/08", "the prefix after / must be a number from 0 to 32"),
    ("1.2.3.4/", "the prefix after / must be a number from 0 to 32"),
    ("1.2.3.0/255.255.255.0", "the prefix after / must be a number from 0 to 32"),
    ("1.2.3.4/24/24", "the prefix after / must be a number from 0 to 32"),
    ("::1/129", "the prefix after / must be a number from 0 to 128"),
    ("1.2.3.4.5", "Expected 4 octets"),
    ("1.2.3.4 5.6.7.8", "Expected 4 octets"),
    ("example.org", "Expected 4 octets"),
    ("fe80::1%eth0", "an address with a zone (%) means something on one machine only"),
    ("1::2::3", "At most one '::' permitted"),
    ("1.2.3.9-1.2.3.4", "a range that runs backwards"),
    ("1.2.3.4-::9", "a range from one address family to the other"),
    ("1.2.3.4-", "an address is missing"),
    ("/", "an address is missing"),
    ("1.2.3.4\x00", "Only decimal digits permitted in '4\\x00'"),
    ("1.2.3.٤", "not plain text"),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=[line.encode("unicode_escape").decode() for line, _ in BAD])
def test_a_bad_line_is_counted_with_its_number_and_reason(line: str, why: str) -> None:
    found = read_list(f"# one\n10.0.0.1\n{line}\n10.0.0.2\n".encode())
    assert [(bad.number, bad.why.startswith(why)) for bad in found.bad] == [(3, True)], found.bad
    assert (found.entries, found.bad_count, found.coverage.unique) == (2, 1, 2)


def test_the_first_hundred_bad_lines_are_told_and_all_are_counted() -> None:
    found = read_list(b"nonsense\n" * 250)
    assert [bad.number for bad in found.bad] == list(range(1, 101))
    assert found.bad_count == 250


def test_line_numbers_hold_over_blocks() -> None:
    found = read_list(b"10.0.0.1\n" * 300_000 + b"wrong\n")
    assert [str(bad) for bad in found.bad] == ["line 300001: Expected 4 octets: wrong"]
    assert found.entries == 300_000


def test_a_line_without_end_is_not_kept_whole() -> None:
    taken = list(blocks(io.BytesIO(b"x" * 6 * BLOCK + b"\n10.0.0.1\n")))
    assert sum(map(len, taken)) <= 3 * BLOCK
    assert b"".join(taken).endswith(b"x\n10.0.0.1\n")


@pytest.mark.parametrize(
    "data",
    [b"\0" * 5000, bytes(range(256)) * 40, b"\x1f\x8b\x08\0\0\0\0\0\0\x03garbage", "10.0.0.1\n".encode("utf-16")],
    ids=["NUL", "binary", "gzip", "utf-16"],
)
def test_what_is_no_list_yields_bad_lines_and_no_address(data: bytes) -> None:
    found = read_list(data)
    assert found.entries == 0
    assert found.bad_count >= 1
    assert all(bad.text.isprintable() and len(bad.text) <= 80 for bad in found.bad)


def test_half_an_address_at_the_end_is_a_bad_line() -> None:
    found = read_list(b"10.0.0.1\n203.0.11")
    assert found.bad == [BadLine(2, "203.0.11", "Expected 4 octets")]
    assert (read_list(b"10.0.0.1\n10.0.0.2").entries, read_list(b"").entries) == (2, 0)


LIST_BYTES = st.lists(st.sampled_from(b"0123456789./:-#; \r\nabf\x00\xff"), max_size=60).map(bytes)
NEAR_LINES = st.from_regex(r"(25[0-9]|[0-9]{1,3})(\.[0-9]{1,3}){2,4}(/[0-9]{0,3})?\r?", fullmatch=True)


@given(LIST_BYTES | st.lists(NEAR_LINES, max_size=8).map(lambda lines: "\n".join(lines).encode()))
def test_lines_are_read_as_ipaddress_reads_them(data: bytes) -> None:
    found, expected = read_list(data), one_by_one(data)
    assert (found.entries, found.bad_count, found.coverage) == (expected.entries, expected.bad_count, expected.coverage)


def one_by_one(data: bytes) -> ReadList:
    """The same with `ipaddress`, for every line alike."""
    pairs: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    entries = bad = 0
    for line in data.split(b"\n"):
        text = line.split(b"#")[0].split(b";")[0].strip().decode("latin-1")
        if not text:
            continue
        try:
            version, first, last = straightforward(text)
        except ValueError:
            bad += 1
        else:
            entries += 1
            pairs[version].append((first, last))
    return ReadList(coverage_of(pairs[4], pairs[6]), entries, [], bad)


def straightforward(text: str) -> tuple[int, int, int]:
    if "-" in text:
        begin, end = (ipaddress.ip_address(part.strip()) for part in text.split("-", 1))
        if begin.version != end.version or int(begin) > int(end):
            raise ValueError(text)
        return begin.version, int(begin), int(end)
    _, slash, prefix = text.partition("/")
    if slash and (not prefix.isdigit() or str(int(prefix)) != prefix):
        raise ValueError(text)
    network = ipaddress.ip_network(text, strict=False)
    return network.version, int(network[0]), int(network[-1])


def test_real_lists_are_read_without_a_bad_line(data: Path) -> None:
    paths = sorted(data.glob("feeds/wave*/*.netset"))
    assert len(paths) >= 20
    for path in paths:
        found = read_list(path.read_bytes())
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        assert (found.entries, found.bad_count) == (len(lines), 0), path
