"""Tables as a person reads them, row by row: what the arrays are held against.  IPv4 only, as the real ones are."""

from __future__ import annotations

import csv
import gzip
from bisect import bisect
from ipaddress import ip_address
from itertools import accumulate, pairwise
from pathlib import Path

Spans = list[tuple[int, int]]


class Table:
    """Rows as they stand in the file.  Where rows overlap, the one that begins last counts, of two the smaller."""

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            written = [
                (int(ip_address(first)), int(ip_address(last)), name) for first, last, name, *_ in csv.reader(file)
            ]
        self.rows = sorted(written, key=lambda row: (row[0], -row[1]))
        self.firsts = [first for first, _, _ in self.rows]
        self.reaches = list(accumulate((last for _, last, _ in self.rows), max))

    def of(self, address: int) -> str | None:
        for at in range(bisect(self.firsts, address) - 1, -1, -1):
            if self.reaches[at] < address:
                return None
            if self.rows[at][1] >= address:
                return self.rows[at][2]
        return None

    def spans(self) -> dict[str, Spans]:
        """Of each name, sorted and apart."""
        found: dict[str, Spans] = {}
        edges = sorted({edge for first, last, _ in self.rows for edge in (first, last + 1)})
        for first, after in pairwise(edges):
            if (name := self.of(first)) is not None:
                found.setdefault(name, []).append((first, after - 1))
        return found
