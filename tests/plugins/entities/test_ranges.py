"""Coverages: sets of addresses that are equal when their addresses are, and bytes that prove themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from windlass_entities.ranges import V4_LAST, V6_LAST, Coverage, Ranges, coverage_of, wide_bytes
from windlass_entities.sealed import seal

SMALL = 40


def spans(base: int, highest: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Ranges of a few addresses near `base`, now and then all addresses there are."""
    few = st.tuples(st.integers(0, SMALL), st.integers(0, 6)).map(lambda at: (base + at[0], base + at[0] + at[1]))
    return st.lists(st.just((0, highest)) | few if base == 0 else few, max_size=8)


V4_SPANS = spans(0, V4_LAST)
V6_SPANS = spans(2**127, V6_LAST)


@given(V4_SPANS, V6_SPANS)
def test_a_coverage_holds_each_address_once(v4: list[tuple[int, int]], v6: list[tuple[int, int]]) -> None:
    found = coverage_of(v4, v6)
    for side, written, highest in ((found.v4, v4, V4_LAST), (found.v6, v6, V6_LAST)):
        assert side.is_normal(highest)
        addresses = {at for first, last in written if last < highest for at in range(first, last + 1)}
        whole = (0, highest) in written
        assert side.count == (highest + 1 if whole else len(addresses))
        held = {
            at
            for first, last in zip(side.first, side.last, strict=True)
            if last < highest
            for at in range(first, last + 1)
        }
        assert held == (set() if whole else addresses)
    assert found.unique == found.v4.count + found.v6.count


@given(V4_SPANS, V6_SPANS, st.randoms(use_true_random=False))
def test_the_spelling_of_a_set_does_not_matter(v4: list[tuple[int, int]], v6: list[tuple[int, int]], random) -> None:
    found = coverage_of(v4, v6)
    single = [(at, at) for first, last in v4 if last < V4_LAST for at in range(first, last + 1)]
    other = [*single, *v4[:2], *((first, last) for first, last in v4 if last == V4_LAST)]
    random.shuffle(other)
    again = coverage_of(other, v6[::-1] + v6)
    assert again == found
    assert again.to_bytes() == found.to_bytes()


@given(V4_SPANS, V6_SPANS)
def test_a_coverage_comes_back_from_its_bytes(v4: list[tuple[int, int]], v6: list[tuple[int, int]]) -> None:
    found = coverage_of(v4, v6)
    back = Coverage.from_bytes(found.to_bytes())
    assert back == found
    assert back.v4.first.dtype == np.int64
    assert back.v6.first.dtype == object
    assert back.unique == found.unique


def test_one_address_more_is_another_coverage() -> None:
    assert coverage_of([(1, 5)], [(1, 5)]) != coverage_of([(1, 5)], [(1, 6)])
    assert coverage_of([(1, 5)]) != coverage_of([], [(1, 5)])
    assert coverage_of([(1, 5)]).to_bytes() != coverage_of([(1, 4)]).to_bytes()


def test_everything_there_is_counts_exactly() -> None:
    everything = coverage_of([(0, V4_LAST)], [(0, V6_LAST)])
    assert everything.unique == 2**32 + 2**128
    assert coverage_of([], [(1, V6_LAST)]).unique == 2**128 - 1


WHOLE = coverage_of([(1, 5), (9, 9)], [(2**100, 2**101)]).to_bytes()


def test_a_torn_coverage_is_refused_wherever_it_is_torn() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(ValueError, match=r"torn|something else"):
            Coverage.from_bytes(WHOLE[:length])


def test_a_coverage_with_one_bit_changed_is_refused() -> None:
    for at in range(len(WHOLE)):
        with pytest.raises(ValueError, match=r"torn|something else"):
            Coverage.from_bytes(WHOLE[:at] + bytes([WHOLE[at] ^ 1]) + WHOLE[at + 1 :])


def counted(v4: int, v6: int, rest: bytes) -> bytes:
    return seal(b"windlass coverage 1\n", v4.to_bytes(8, "little") + v6.to_bytes(8, "little") + rest)


GARBAGE = [
    (b"", "something else"),
    (b"\0" * 500, "something else"),
    (seal(b"windlass coverage 1\n", b""), "too short"),
    (counted(2, 0, b"\0" * 8), "too short"),
    (counted(2**61, 0, b"\0" * 8), "too short"),
    (counted(0, 1, b"\0" * 17), "ends within"),
    (counted(0, 2, b"\0" * 32), "holds 2 IPv6 bounds where 4 belong"),
    (counted(1, 0, (9).to_bytes(4, "little") + (8).to_bytes(4, "little")), "not sorted"),
    (counted(2, 0, b"".join(at.to_bytes(4, "little") for at in (1, 4, 3, 9))), "not sorted"),
    (counted(0, 2, wide_bytes(np.array([1, 4, 3, 9], object))), "not sorted"),
]


@pytest.mark.parametrize(("data", "why"), GARBAGE, ids=[str(at) for at in range(len(GARBAGE))])
def test_what_is_no_coverage_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Coverage.from_bytes(data)


def test_ranges_compare_with_ranges_only() -> None:
    ranges = Ranges(np.array([1]), np.array([2]))
    assert ranges != (1, 2)
    assert coverage_of() != 0
