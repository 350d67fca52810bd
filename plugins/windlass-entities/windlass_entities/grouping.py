"""Sums of what feeds have where, with numpy and all at once: thousands of pages are cut from a few sorted arrays.

A country is a number here, its two letters as 256 × first + second; 0 is "no country", as 0 is "no ASN".
Counts are int64 while that is enough for their sums, and Python's own integers when it is not (IPv6).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


class Held(Protocol):
    """What one feed has where: parallel arrays, each (country, asn) once."""

    @property
    def country(self) -> NDArray[np.bytes_]: ...
    @property
    def asn(self) -> NDArray[np.int64]: ...
    @property
    def count(self) -> Numbers: ...


@dataclass(frozen=True, slots=True)
class Rows:
    """What many feeds have where: parallel arrays; `feed` is the place in the list they were joined from."""

    feed: NDArray[np.int64]
    country: NDArray[np.int64]
    asn: NDArray[np.int64]
    count: Numbers


class Groups(NamedTuple):
    """Sums by (key, part), sorted by key, then the largest first, then by part; `size` rows went into each."""

    key: NDArray[np.int64]
    part: NDArray[np.int64]
    total: Numbers
    size: NDArray[np.int64]

    def bounds(self, keys: NDArray[np.int64]) -> tuple[list[int], list[int]]:
        """Where the groups of each key begin and end."""
        return np.searchsorted(self.key, keys).tolist(), np.searchsorted(self.key, keys, side="right").tolist()


def country_numbers(codes: NDArray[np.bytes_]) -> NDArray[np.int64]:
    """Two letters as one number, which sorts as they do."""
    letters = np.ascontiguousarray(codes.astype("S2")).view(np.uint8).reshape(-1, 2).astype(np.int64)
    return letters[:, 0] * 256 + letters[:, 1]


def country_number(code: str) -> int:
    return ord(code[0]) * 256 + ord(code[1])


def country_code(number: int) -> str:
    return chr(number >> 8) + chr(number & 255)


def join(holdings: Sequence[Held]) -> Rows:
    if not holdings:
        none = np.empty(0, np.int64)
        return Rows(none, none, none, none)
    sizes = [len(held.asn) for held in holdings]
    return Rows(
        np.repeat(np.arange(len(holdings), dtype=np.int64), sizes),
        country_numbers(np.concatenate([held.country for held in holdings])),
        np.concatenate([held.asn for held in holdings]),
        _summable(np.concatenate([held.count for held in holdings])),
    )


def _summable(count: Numbers) -> Numbers:
    """Counts whose sum over all rows can't overflow."""
    if count.dtype != np.int64 or (len(count) and int(count.max()) > (1 << 62) // len(count)):
        return count.astype(object)
    return count


def having(rows: Rows, key: NDArray[np.int64], wanted: NDArray[np.int64]) -> Rows:
    """The rows whose `key` is among the sorted `wanted` ones."""
    if not len(wanted):
        return take(rows, np.zeros(len(key), bool))
    place = np.minimum(np.searchsorted(wanted, key), len(wanted) - 1)
    return take(rows, wanted[place] == key)


def take(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    return Rows(rows.feed[chosen], rows.country[chosen], rows.asn[chosen], rows.count[chosen])


def grouped(key: NDArray[np.int64], part: NDArray[np.int64], count: Numbers) -> Groups:
    """Sums of `count` by (key, part)."""
    if not len(key):
        return Groups(key, part, count, key)
    order = np.lexsort((part, key))
    key, part, count = key[order], part[order], count[order]
    starts = np.flatnonzero(np.r_[True, (key[1:] != key[:-1]) | (part[1:] != part[:-1])])
    size = np.diff(np.r_[starts, len(key)])
    key, part, total = key[starts], part[starts], np.add.reduceat(count, starts)
    order = np.lexsort((-_rank(total), key))  # stable: those with as many stay sorted by part
    return Groups(key[order], part[order], total[order], size[order])


def _rank(total: Numbers) -> NDArray[np.int64]:
    """Numbers in the order of `total` that numpy can sort by."""
    if total.dtype == np.int64:
        return total
    return np.unique(total, return_inverse=True)[1].astype(np.int64)
