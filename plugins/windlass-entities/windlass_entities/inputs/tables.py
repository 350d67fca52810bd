"""Reads the tables that say which country and which ASN an address belongs to: CSV, plain or gzip, or MMDB.

A bad row is counted and told; a row that overlaps an earlier one is bad.  A table of which nothing can be used is
refused whole: the pages made with it would all be empty.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from windlass_entities.inputs.csv_rows import read_csv
from windlass_entities.inputs.lines import REPORTED, BadLine
from windlass_entities.inputs.mmdb_rows import is_mmdb, read_mmdb
from windlass_entities.inputs.overlaps import overlapping
from windlass_entities.inputs.rows import Rows, RowSink, TableName


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by family, sorted by address and disjoint.  `bad` holds the first 100 of `bad_count` bad rows."""

    v4: Rows
    v6: Rows
    names: dict[int, str]
    """Of ASNs."""
    bad: list[BadLine]
    bad_count: int


def read_table(data: bytes, table: TableName) -> Table:
    """Reads a table whole, whatever its format.  Raises ValueError when nothing of it can be used."""
    sink = RowSink()
    try:
        (read_mmdb if is_mmdb(data) else read_csv)(data, table, sink)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"torn gzip: {error}") from None
    v4, v6 = (_apart(sink, family) for family in (4, 6))
    bad = sorted(sink.bad.first, key=lambda line: line.number)[:REPORTED]
    if not (v4.value.any() or v6.value.any()):
        first = f"; {bad[0]}" if bad else ""
        raise ValueError(f"holds no {'country' if table == 'countries' else 'ASN'}: is it the right table?{first}")
    return Table(v4, v6, sink.names, bad, sink.bad.count)


def _apart(sink: RowSink, family: int) -> Rows:
    """The rows of a family without those that overlap an earlier one, sorted by address."""
    rows = sink.rows(family)
    kept = sink.take_apart(rows, overlapping(rows.first, rows.last), family)
    is_sorted = bool((kept.first[1:] > kept.first[:-1]).all())
    return kept if is_sorted else kept.pick(np.argsort(kept.first, kind="stable"))
