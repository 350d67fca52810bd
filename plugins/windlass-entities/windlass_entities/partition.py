"""The joint partition of both tables: where no table changes its mind, all addresses have one country and one ASN.

The bounds of both tables' rows cut a family's addresses into segments.  A feed is then laid over one list of segments
instead of two tables, and what it has in a country and in an ASN is counted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windlass_entities.inputs.lines import Positions
from windlass_entities.inputs.rows import Rows
from windlass_entities.ranges import Numbers, Ranges

_ASN_BITS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Segments of one family that some table covers, sorted and disjoint; `pair` tells each one's country and ASN."""

    first: Numbers
    last: Numbers
    pair: Positions

    def overlap(self, ranges: Ranges) -> tuple[Positions, Numbers]:
        """The pairs that `ranges` have addresses of, sorted, and how many of each, exactly."""
        low = np.searchsorted(self.last, ranges.first, "left")
        high = np.searchsorted(self.first, ranges.last, "right")
        each = high - low
        of = np.repeat(np.arange(len(ranges)), each)
        segment = np.arange(len(of)) - np.repeat(np.cumsum(each) - each, each) + low[of]
        shared = np.minimum(self.last[segment], ranges.last[of]) - np.maximum(self.first[segment], ranges.first[of]) + 1
        return summed(self.pair[segment], shared)


def summed(keys: NDArray[Any], amounts: Numbers) -> tuple[NDArray[Any], Numbers]:
    """The distinct keys, sorted, and the sum of each one's amounts, in whole numbers: a float would lose bits."""
    if not len(keys):
        return keys, amounts
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    return keys[begins], np.add.reduceat(amounts[order], begins)


def distinct(numbers: Numbers) -> Numbers:
    """Each once, sorted.  On a million numbers in sorted runs it takes a tenth of what np.unique does, which hashes."""
    numbers = np.sort(numbers, kind="stable")
    once: Numbers = numbers[np.concatenate((np.ones(min(len(numbers), 1), np.bool_), numbers[1:] != numbers[:-1]))]
    return once


def pair_key(country: Positions, asn: Positions) -> Positions:
    """Sorts by country, then by ASN."""
    return country << _ASN_BITS | asn


def parted(key: Positions) -> tuple[Positions, Positions]:
    """The country and ASN of a key."""
    return key >> _ASN_BITS, key & (1 << _ASN_BITS) - 1


def partition(countries: Rows, asns: Rows) -> Partition:
    """The segments of both tables' rows of one family.  Their `pair` is still the key."""
    tables = (countries, asns)
    bounds = distinct(np.concatenate([side for rows in tables for side in (rows.first, rows.last + 1)]))
    if not len(bounds):
        return Partition(bounds, bounds, np.zeros(0, np.int64))
    first, last = bounds[:-1], bounds[1:] - 1
    key = pair_key(*(_value_at(rows, first) for rows in tables))
    is_new = np.concatenate(([True], key[1:] != key[:-1]))
    begins = np.flatnonzero(is_new & (key != 0))
    ends = np.append(np.flatnonzero(is_new), len(key))
    return Partition(first[begins], last[ends[np.searchsorted(ends, begins, "right")] - 1], key[begins])


def _value_at(rows: Rows, addresses: Numbers) -> Positions:
    """The value of the row that holds each address, 0 where none does."""
    if not len(rows):
        return np.zeros(len(addresses), np.int64)
    at = np.searchsorted(rows.first, addresses, "right") - 1
    is_held = (at >= 0) & (rows.last[at] >= addresses)
    value: Positions = np.where(is_held, rows.value[at], 0)
    return value
