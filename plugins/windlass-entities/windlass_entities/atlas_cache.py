"""Keeps what the atlas was made of: one file for each state of the tables, which proves itself when it is read.

Any process may write it, and any may delete it: it is made anew from the tables.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from windlass_entities.inputs.lines import Positions
from windlass_entities.inputs.rows import TableName
from windlass_entities.partition import Partition
from windlass_entities.ranges import wide_bytes, wide_numbers
from windlass_entities.sealed import seal, unseal

FORMAT = b"windlass atlas 1\n"
"""Changes whenever the same tables would give another atlas, or another file."""

_SUFFIX = ".atlas"


class TableProblem(msgspec.Struct, frozen=True):
    """A row of a table that could not be used.  `number`: of its line, from 1; in an MMDB, of its record."""

    table: TableName
    number: int
    text: str
    why: str

    def __str__(self) -> str:
        return f"{self.table}, row {self.number}: {self.why}: {self.text}"


class Notes(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the tables besides their rows."""

    digest: str
    asn_names: dict[int, str]
    problems: list[TableProblem]
    bad_rows: dict[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """`pairs`: a key for each country with ASN that occurs, sorted.  Segments name theirs by its place."""

    notes: Notes
    pairs: Positions
    v4: Partition
    v6: Partition


def read_cache(folder: Path, digest: str) -> Kept | None:
    """What is kept for these tables; None when there is nothing, or nothing that is whole."""
    try:
        source = io.BytesIO(unseal(FORMAT, (folder / (digest + _SUFFIX)).read_bytes()))
        notes = msgspec.json.decode(_array(source).tobytes(), type=Notes)
        pairs = _array(source)
        first, last, pair = (_array(source).astype(np.int64) for _ in range(3))
        v4 = Partition(first, last, pair)
        first, last = (wide_numbers(_array(source).tobytes()) for _ in range(2))
        v6 = Partition(first, last, _array(source))
    except (OSError, ValueError, EOFError):
        return None
    return Kept(notes, pairs, v4, v6) if notes.digest == digest else None


def write_cache(folder: Path, kept: Kept) -> None:
    """Keeps it, and deletes what is kept for other tables.

    A cache that can't be written costs time, nothing else: the work at hand goes on.
    """
    path = folder / (kept.notes.digest + _SUFFIX)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob(f"*{_SUFFIX}*"):
            old.unlink(missing_ok=True)
        with tempfile.NamedTemporaryFile(prefix=path.name + ".", dir=folder, delete=False) as target:
            target.write(seal(FORMAT, _body(kept)))
        os.replace(target.name, path)


def _body(kept: Kept) -> bytes:
    target = io.BytesIO()
    arrays: list[NDArray[Any]] = [
        np.frombuffer(msgspec.json.encode(kept.notes), np.uint8),
        kept.pairs,
        *(side.astype(np.uint32) for side in (kept.v4.first, kept.v4.last, kept.v4.pair)),
        *(np.frombuffer(wide_bytes(side), np.uint8) for side in (kept.v6.first, kept.v6.last)),
        kept.v6.pair,
    ]
    for array in arrays:
        np.save(target, array, allow_pickle=False)
    return target.getvalue()


def _array(source: io.BytesIO) -> NDArray[Any]:
    array: NDArray[Any] = np.load(source, allow_pickle=False)
    return array
