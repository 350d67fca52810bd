"""Sets of addresses: sorted, disjoint, inclusive intervals in two numpy arrays, for each family.

IPv4 addresses are int64.  IPv6 addresses do not fit any number of numpy's, so they are Python integers in arrays of
objects.  Every line of code here and in members.py serves both: numpy calls the integers' own operators.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windlass_entities.sealed import seal, unseal

Numbers = NDArray[Any]
"""Whole numbers: int64, or objects that are Python integers."""

V4_LAST = 2**32 - 1
V6_LAST = 2**128 - 1

_MARK = b"windlass coverage 1\n"
_COUNTS = struct.Struct("<QQ")
_V6_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """Intervals of one family, sorted; none overlaps or touches another.  `first[i]` … `last[i]` is interval i."""

    first: Numbers
    last: Numbers

    @classmethod
    def of(cls, first: Numbers, last: Numbers) -> Ranges:
        """The set that intervals in any order cover; they may overlap, touch and repeat.  Each has first ≤ last."""
        if not len(first):
            return cls(first, last)
        order = np.argsort(first, kind="stable")
        first, reach = first[order], np.maximum.accumulate(last[order])
        begins = np.flatnonzero(np.concatenate(([True], first[1:] > reach[:-1] + 1)))
        return cls(first[begins], reach[np.concatenate((begins[1:], [len(first)])) - 1])

    def __len__(self) -> int:
        return len(self.first)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ranges):
            return NotImplemented
        return np.array_equal(self.first, other.first) and np.array_equal(self.last, other.last)

    __hash__ = None  # type: ignore[assignment]

    @property
    def count(self) -> int:
        """Addresses, exactly."""
        return int((self.last - self.first + 1).sum())

    def is_normal(self, highest: int) -> bool:
        """Whether these are sorted, apart from each other, and within 0 … `highest`."""
        if not len(self):
            return True
        within = self.first[0] >= 0 and self.last[-1] <= highest
        return bool(within and (self.first <= self.last).all() and (self.first[1:] > self.last[:-1] + 1).all())


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """The addresses of a list, both families.  Equal coverages are equal addresses, however their lists spell them."""

    v4: Ranges
    v6: Ranges

    @property
    def unique(self) -> int:
        """Distinct addresses."""
        return self.v4.count + self.v6.count

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Coverage):
            return NotImplemented
        return self.v4 == other.v4 and self.v6 == other.v6

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """The same bytes for the same addresses, on every machine."""
        parts = [_COUNTS.pack(len(self.v4), len(self.v6))]
        parts += [side.astype("<u4").tobytes() for side in (self.v4.first, self.v4.last)]
        parts += [wide_bytes(side) for side in (self.v6.first, self.v6.last)]
        return seal(_MARK, b"".join(parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Coverage:
        """What `to_bytes` wrote.  Raises ValueError for anything else."""
        body = unseal(_MARK, data)
        try:
            v4, v6 = _COUNTS.unpack_from(body)
            narrow = np.frombuffer(body, "<u4", 2 * v4, _COUNTS.size).astype(np.int64)
        except (struct.error, ValueError):
            raise ValueError("is too short for a coverage") from None
        wide = wide_numbers(body[_COUNTS.size + 8 * v4 :])
        if len(wide) != 2 * v6:
            raise ValueError(f"holds {len(wide)} IPv6 bounds where {2 * v6} belong")
        found = cls(Ranges(narrow[:v4], narrow[v4:]), Ranges(wide[:v6], wide[v6:]))
        if not (found.v4.is_normal(V4_LAST) and found.v6.is_normal(V6_LAST)):
            raise ValueError("holds ranges that are not sorted and apart")
        return found


def coverage_of(v4: Iterable[tuple[int, int]] = (), v6: Iterable[tuple[int, int]] = ()) -> Coverage:
    """The coverage of pairs of first and last addresses, in any order."""
    pairs = (np.array(list(v4), np.int64).reshape(-1, 2), np.array(list(v6), object).reshape(-1, 2))
    return Coverage(*(Ranges.of(side[:, 0], side[:, 1]) for side in pairs))


def wide_bytes(numbers: Numbers) -> bytes:
    """IPv6 addresses, 16 bytes each, the highest byte first."""
    return b"".join(int(number).to_bytes(_V6_BYTES, "big") for number in numbers)


def wide_numbers(data: bytes) -> Numbers:
    """What `wide_bytes` wrote.  Raises ValueError for a part of an address."""
    if len(data) % _V6_BYTES:
        raise ValueError("ends within an IPv6 address")
    numbers = (int.from_bytes(data[at : at + _V6_BYTES], "big") for at in range(0, len(data), _V6_BYTES))
    return np.fromiter(numbers, dtype=object, count=len(data) // _V6_BYTES)
