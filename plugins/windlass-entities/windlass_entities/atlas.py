"""The atlas: which country and which ASN every address belongs to, from both tables together.

It is made once for each state of the tables and kept in a cache by their content, so that only the first process after
a change of the tables reads them.
"""

from __future__ import annotations

import hashlib
from dataclasses import astuple, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from windlass_entities.atlas_cache import FORMAT, Kept, Notes, TableProblem, read_cache, write_cache
from windlass_entities.inputs.lines import Positions
from windlass_entities.inputs.rows import TableName
from windlass_entities.inputs.tables import Table, read_table
from windlass_entities.members import Members, fitted
from windlass_entities.partition import distinct, parted, partition, summed
from windlass_entities.ranges import Coverage, Numbers


class UnreadableTable(ValueError):
    """A table that is missing, or of which nothing can be used.  Its text names the file and says why."""


class Atlas:
    """Both tables, joined."""

    def __init__(self, kept: Kept) -> None:
        self._pairs, self._v4, self._v6 = kept.pairs, kept.v4, kept.v6
        self.digest = kept.notes.digest
        """SHA-256 over the content of the tables, in hexadecimal."""
        self.asn_names = kept.notes.asn_names
        self.problems = kept.notes.problems
        """The first 100 bad rows of each table."""
        self.bad_rows = kept.notes.bad_rows
        """How many there are, by "countries" and "asns"."""

    @classmethod
    def load(cls, countries: Path, asns: Path, cache: Path) -> Atlas:
        """The atlas of these tables, from the folder `cache` or, when it has none or a torn one, made and put there.

        Raises UnreadableTable.
        """
        # What was read is what is hashed and parsed: a file may be replaced at any moment.
        data = _content(countries), _content(asns)
        digest = _digest(*data)
        kept = read_cache(cache, digest)
        if kept is None:
            tables = _read(countries, data[0], "countries"), _read(asns, data[1], "asns")
            kept = _made(digest, *tables)
            write_cache(cache, kept)
        return cls(kept)

    @cached_property
    def country_codes(self) -> list[str]:
        """The countries that have addresses, sorted."""
        return [code for code in self._country_totals if code]

    @cached_property
    def asns(self) -> list[int]:
        """The ASNs that have addresses, sorted."""
        return [asn for asn in self._asn_totals if asn]

    def country_addresses(self, code: str) -> int:
        """How many addresses of both families the tables give this country."""
        return self._country_totals.get(code, 0)

    def asn_addresses(self, asn: int) -> int:
        """How many addresses of both families the tables give this ASN."""
        return self._asn_totals.get(asn, 0)

    def members(self, coverage: Coverage) -> Members:
        """What a feed with this coverage has in each country and ASN."""
        sides = [self._v4.overlap(coverage.v4), self._v6.overlap(coverage.v6)]
        pair = np.concatenate([pair for pair, _ in sides])
        unique = coverage.unique
        pair, count = summed(pair, fitted(np.concatenate([count for _, count in sides]), unique))
        country, asn = parted(self._pairs[pair])
        return Members(_letters(country), asn, count, unique - int(count.sum()), unique, self.digest)

    @cached_property
    def _totals(self) -> Numbers:
        """Addresses of each pair."""
        totals = np.zeros(len(self._pairs), np.int64 if not len(self._v6.first) else object)
        for side in (self._v4, self._v6):
            np.add.at(totals, side.pair, side.last - side.first + 1)
        return totals

    @cached_property
    def _country_totals(self) -> dict[str, int]:
        country, totals = summed(parted(self._pairs)[0], self._totals)
        return dict(zip(_letters(country).astype("U2").tolist(), map(int, totals), strict=True))

    @cached_property
    def _asn_totals(self) -> dict[int, int]:
        asn, totals = summed(parted(self._pairs)[1], self._totals)
        return dict(zip(asn.tolist(), map(int, totals), strict=True))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UnreadableTable(f"{path}: {error.strerror}") from error


def _digest(*tables: bytes) -> str:
    digest = hashlib.sha256(FORMAT)
    for data in tables:
        digest.update(hashlib.sha256(data).digest())
    return digest.hexdigest()


def _read(path: Path, data: bytes, name: TableName) -> Table:
    try:
        return read_table(data, name)
    except ValueError as error:
        raise UnreadableTable(f"{path}: {error}") from error


def _made(digest: str, countries: Table, asns: Table) -> Kept:
    tables: dict[TableName, Table] = {"countries": countries, "asns": asns}
    v4 = partition(*(table.v4 for table in tables.values()))
    v6 = partition(*(table.v6 for table in tables.values()))
    pairs = distinct(np.concatenate((v4.pair, v6.pair)))
    used = set(parted(pairs)[1].tolist())
    notes = Notes(
        digest=digest,
        asn_names={asn: name for asn, name in asns.names.items() if asn in used},
        problems=[TableProblem(name, *astuple(bad)) for name, table in tables.items() for bad in table.bad],
        bad_rows={name: table.bad_count for name, table in tables.items()},
    )
    placed = [replace(side, pair=np.searchsorted(pairs, side.pair)) for side in (v4, v6)]
    return Kept(notes, pairs, *placed)


def _letters(country: Positions) -> NDArray[Any]:
    """The codes of country numbers; none is an empty one."""
    return country.astype(">u2").view("S2")
