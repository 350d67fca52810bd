"""What a row of a table says, and the rows of a table while it is read."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from windlass_entities.inputs.lines import REPORTED, BadLine, BadLines, Flags, Positions
from windlass_entities.ranges import Numbers

TableName = Literal["countries", "asns"]

HIGHEST_ASN = 2**32 - 1


class Said(NamedTuple):
    """The value of a row.  `number`: an ASN, or a country by `country_number`; 0 for none.  `name`: of the ASN."""

    number: int
    name: str = ""


def country_number(code: str) -> int:
    """A country's two letters as a number, which sorts as they do; 0 for "".  Raises ValueError for anything else."""
    if not code:
        return 0
    if not (len(code) == 2 and code.isascii() and code.isalpha()):
        raise ValueError("a country is two letters")
    return int.from_bytes(code.upper().encode(), "big")


def asn_number(text: str) -> int:
    """An AS number, with or without AS in front.  Raises ValueError."""
    digits = text.upper().removeprefix("AS")
    if not (digits.isascii() and digits.isdigit()) or int(digits[:11]) > HIGHEST_ASN:
        raise ValueError(f"an ASN is a number up to {HIGHEST_ASN}")
    return int(digits)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one family: first and last address, value, and the number of the line or record."""

    first: Numbers
    last: Numbers
    value: Positions
    line: Positions

    def __len__(self) -> int:
        return len(self.first)

    def pick(self, which: NDArray[Any]) -> Rows:
        return Rows(self.first[which], self.last[which], self.value[which], self.line[which])


class RowSink:
    """Takes the rows of a table as they are read: many at once, or one by one."""

    def __init__(self) -> None:
        self.bad = BadLines()
        self.names: dict[int, str] = {}
        self._many: dict[int, list[Rows]] = {4: [], 6: []}
        self._single: dict[int, list[tuple[int, int, int, int]]] = {4: [], 6: []}

    def add_many(self, family: int, rows: Rows) -> None:
        self._many[family].append(rows)

    def add(self, span: tuple[int, int, int], value: int, line: int) -> None:
        """`span`: family, first and last address."""
        family, first, last = span
        self._single[family].append((first, last, value, line))

    def add_name(self, asn: int, name: str) -> None:
        """The first name of an ASN is kept."""
        if name:
            self.names.setdefault(asn, name)

    def rows(self, family: int) -> Rows:
        """All of a family, in the order of their lines."""
        wide = np.array(self._single[family], object if family == 6 else np.int64).reshape(-1, 4)
        single = Rows(wide[:, 0], wide[:, 1], wide[:, 2].astype(np.int64), wide[:, 3].astype(np.int64))
        parts = [*self._many[family], single]
        joined = Rows(*(np.concatenate([getattr(part, name) for part in parts]) for name in Rows.__slots__))
        return joined.pick(np.argsort(joined.line, kind="stable")) if len(single) else joined

    def take_apart(self, rows: Rows, is_bad: Flags, family: int) -> Rows:
        """The rows that overlap no earlier one; the others are bad."""
        clashes = np.flatnonzero(is_bad)
        self.bad.count += len(clashes)
        for at in clashes[:REPORTED].tolist():
            text = span_text(rows.first[at], rows.last[at], family)
            self.bad.first.append(BadLine(int(rows.line[at]), text, "overlaps an earlier row"))
        return rows.pick(~is_bad) if len(clashes) else rows


def span_text(first: int, last: int, family: int) -> str:
    """A range as people write it."""
    kind = IPv4Address if family == 4 else IPv6Address
    return f"{kind(int(first))} – {kind(int(last))}"
