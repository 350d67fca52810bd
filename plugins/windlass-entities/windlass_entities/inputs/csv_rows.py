"""Reads tables in CSV, plain or gzip: `start,end,country` or `start,end,asn,name`.

Plain rows of IPv4 are read by numpy, a block at a time; all others one by one.  The first line may be a header, and
lines that begin with `#` are comments.
"""

from __future__ import annotations

import csv
import gzip
import io
from operator import itemgetter
from typing import BinaryIO, cast

import numpy as np

from windlass_entities.inputs.csv_tails import TAILS, PlainRows, Tail
from windlass_entities.inputs.lines import Block, Positions, blocks
from windlass_entities.inputs.rows import Rows, RowSink, Said, TableName
from windlass_entities.inputs.single import span

_DOT, _COMMA = b".,"
_SPAN = (_DOT, _DOT, _DOT, _COMMA) * 2
_GZIP = b"\x1f\x8b"


def read_csv(data: bytes, table: TableName, sink: RowSink) -> None:
    """Hands the rows of a table to `sink`.  Raises OSError, EOFError or zlib.error where gzip's data are torn."""
    source: BinaryIO = io.BytesIO(data)
    if data.startswith(_GZIP):
        source = cast("BinaryIO", gzip.GzipFile(fileobj=source))
    lines = 0
    for text in blocks(source):
        block = Block(text, b".,")
        _read_block(block, lines + 1, TAILS[table], sink)
        lines += len(block)


def _read_block(block: Block, number: int, tail: Tail, sink: RowSink) -> None:
    """`number`: of the block's first line."""
    marks = block.marks(len(_SPAN) + 2)
    first, is_first = block.addresses(block.begin - 1, marks[:, :4])
    last, is_last = block.addresses(marks[:, 3], marks[:, 4:8])
    value, is_plain = tail.plain(block, marks[:, 7:9])
    is_plain &= block.is_marked(marks, _SPAN) & is_first & is_last & (first <= last)
    rows = np.flatnonzero(is_plain)
    sink.add_many(4, Rows(first[rows], last[rows], value[rows], rows + number))
    named = list(tail.names(PlainRows(block, marks[:, 7:9], value, rows), sink.names))
    named += _read_single(block, number, np.flatnonzero(~is_plain), tail, sink)
    for _, said in sorted(named, key=itemgetter(0)):
        sink.add_name(said.number, said.name)


def _read_single(block: Block, number: int, rows: Positions, tail: Tail, sink: RowSink) -> list[tuple[int, Said]]:
    said: list[tuple[int, Said]] = []
    for at in rows.tolist():
        line = block.line(at)
        if not line.strip() or line.startswith(b"#"):
            continue
        try:
            fields = _fields(line)
            if at + number == 1 and _is_header(fields[0]):
                continue
            if len(fields) < 3:
                raise ValueError("less than three fields")
            where, what = span(fields[0], fields[1]), tail.single(fields[2:])
        except (ValueError, csv.Error) as error:
            sink.bad.add(at + number, line, str(error))
        else:
            sink.add(where, what.number, at + number)
            said.append((at, what))
    return said


def _fields(line: bytes) -> list[str]:
    text = line.decode("utf-8", "replace").replace("\r", " ").removeprefix("\ufeff")
    fields = next(csv.reader([text], strict=True)) if '"' in text else text.split(",")
    return [field.strip() for field in fields]


def _is_header(field: str) -> bool:
    return field[:1].isalpha() and ":" not in field
