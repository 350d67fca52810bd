"""What stands behind the two addresses of a CSV row: a country, or an ASN and its name.

Each reads the rows of a block at once where they are plain, and any row by itself.  Both must read a row alike.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from windlass_entities.inputs.lines import Block, Flags, Positions
from windlass_entities.inputs.rows import HIGHEST_ASN, Said, TableName, asn_number, country_number

_COMMA = b","[0]
_QUOTE = b'"'[0]


class PlainRows(NamedTuple):
    """The plain `rows` of a block; `marks` and `value` are of all its rows."""

    block: Block
    marks: Positions
    value: Positions
    rows: Positions


class Tail(Protocol):
    """`marks` are those of each row from that behind its addresses: two columns."""

    def plain(self, block: Block, marks: Positions) -> tuple[Positions, Flags]:
        """The value of each row, and which rows are plain; the others' values mean nothing."""

    def names(self, plain: PlainRows, known: Container[int]) -> Iterator[tuple[int, Said]]:
        """Those rows that may bring a name for what is not `known`, and what they say."""

    def single(self, fields: Sequence[str]) -> Said:
        """What the further fields of one row say.  Raises ValueError."""


class CountryTail:
    """Two letters, or nothing."""

    def plain(self, block: Block, marks: Positions) -> tuple[Positions, Flags]:
        begin = marks[:, 0] + 1
        letters = [block.text.take(begin + place, mode="clip").astype(np.int64) for place in (0, 1)]
        ok = block.end - begin == 2
        for letter in letters:
            ok &= (letter >= ord("A")) & (letter <= ord("Z"))
        return letters[0] << 8 | letters[1], ok

    def names(self, plain: PlainRows, known: Container[int]) -> Iterator[tuple[int, Said]]:
        return iter(())

    def single(self, fields: Sequence[str]) -> Said:
        if len(fields) != 1:
            raise ValueError(f"{len(fields) + 2} fields where start,end,country belong")
        return Said(country_number(fields[0]))


class AsnTail:
    """A number, and a name that may be quoted or missing."""

    def plain(self, block: Block, marks: Positions) -> tuple[Positions, Flags]:
        number, ok = block.numbers(marks[:, 0] + 1, marks[:, 1], 10)
        ok &= block.is_marked(marks[:, 1:], (_COMMA,)) & (number <= HIGHEST_ASN)
        return number, ok & _is_one_field(block, marks[:, 1] + 1)

    def names(self, plain: PlainRows, known: Container[int]) -> Iterator[tuple[int, Said]]:
        asns, at = np.unique(plain.value[plain.rows], return_index=True)
        rows = plain.rows[at]
        begins, ends, data = plain.marks[rows, 1] + 1, plain.block.end[rows], plain.block.data
        for asn, row, begin, end in zip(*(each.tolist() for each in (asns, rows, begins, ends)), strict=True):
            if asn not in known:
                yield row, Said(asn, data[begin:end].strip(b'"').decode("utf-8", "replace").strip())

    def single(self, fields: Sequence[str]) -> Said:
        if len(fields) not in {1, 2}:
            raise ValueError(f"{len(fields) + 2} fields where start,end,asn,name belong")
        return Said(asn_number(fields[0]), fields[1] if len(fields) == 2 else "")


TAILS: dict[TableName, Tail] = {"countries": CountryTail(), "asns": AsnTail()}


def _is_one_field(block: Block, begin: Positions) -> Flags:
    """Which lines hold one field from `begin` on: without quote and comma, or within two quotes that hold none."""
    quotes = _within(np.flatnonzero(block.text == _QUOTE), begin, block.end)
    commas = _within(np.flatnonzero(block.text == _COMMA), begin, block.end)
    opens = block.text.take(begin, mode="clip") == _QUOTE
    closes = block.text.take(block.end - 1, mode="clip") == _QUOTE
    is_one: Flags = np.where(quotes == 2, opens & closes, (quotes == 0) & (commas == 0))
    return is_one


def _within(places: Positions, begin: Positions, end: Positions) -> Positions:
    """How many of the sorted `places` lie from `begin` to before `end`."""
    count: Positions = np.searchsorted(places, end) - np.searchsorted(places, begin)
    return count
