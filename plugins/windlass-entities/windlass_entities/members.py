"""What one feed has where: how many of its addresses lie in each country and ASN."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windlass_entities.inputs.lines import Positions
from windlass_entities.ranges import Numbers
from windlass_entities.sealed import seal, unseal

_MARK = b"windlass members 1\n"
_HEAD = struct.Struct("<64sQ?")
_WIDE_BYTES = 17
"""All addresses of both families are a number of 129 bits."""
_NARROW = 2**48
"""Counts below this fit int64 with room to add those of thousands of feeds."""


@dataclass(frozen=True, slots=True, eq=False)
class Members:
    """Parallel arrays, sorted by country and ASN; every count is at least 1.

    `country`: two letters, b"" for none (dtype S2).  `asn`: 0 for none (int64).  `count`: int64; Python integers in an
    array of objects where the feed has 2**48 addresses or more, as IPv6 feeds have.  `unattributed`: addresses that no
    table covers; with the counts they add up to `unique`.  `atlas`: the digest of the tables it was counted with.
    """

    country: NDArray[Any]
    asn: Positions
    count: Numbers
    unattributed: int
    unique: int
    atlas: str

    def __len__(self) -> int:
        return len(self.asn)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Members):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """The same bytes for the same members, on every machine."""
        is_wide = self.unique >= _NARROW
        parts = [
            _HEAD.pack(self.atlas.encode("ascii"), len(self), is_wide),
            _wide(self.unique),
            _wide(self.unattributed),
            self.country.astype("S2").tobytes(),
            self.asn.astype("<u4").tobytes(),
            b"".join(map(_wide, self.count)) if is_wide else self.count.astype("<i8").tobytes(),
        ]
        return seal(_MARK, b"".join(parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Members:
        """What `to_bytes` wrote.  Raises ValueError for anything else."""
        body = unseal(_MARK, data)
        try:
            return cls._read(body)
        except (struct.error, ValueError) as error:
            raise ValueError(f"is no list of members: {error}") from None

    @classmethod
    def _read(cls, body: bytes) -> Members:
        digest, length, is_wide = _HEAD.unpack_from(body)
        at = _HEAD.size + 2 * _WIDE_BYTES
        unique, unattributed = _wide_numbers(body[_HEAD.size : at])
        country = np.frombuffer(body, "S2", length, at)
        asn = np.frombuffer(body, "<u4", length, at + 2 * length).astype(np.int64)
        counts = body[at + 6 * length :]
        count = np.array(_wide_numbers(counts), object) if is_wide else np.frombuffer(counts, "<i8").astype(np.int64)
        if len(count) != length or sum(count.tolist()) + unattributed != unique:
            raise ValueError("its counts do not add up")
        return cls(country, asn, count, unattributed, unique, digest.decode("ascii"))


def fitted(count: Numbers, unique: int) -> Numbers:
    """Counts in the type that a feed of `unique` addresses has."""
    return count.astype(object if unique >= _NARROW else np.int64)


def _wide(number: int) -> bytes:
    return int(number).to_bytes(_WIDE_BYTES, "little")


def _wide_numbers(data: bytes) -> list[int]:
    if len(data) % _WIDE_BYTES:
        raise ValueError("ends within a number")
    return [int.from_bytes(data[at : at + _WIDE_BYTES], "little") for at in range(0, len(data), _WIDE_BYTES)]
