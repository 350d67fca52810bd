"""Reads tables in MMDB, as MaxMind, DB-IP and IPinfo publish them: each network of the tree becomes a row."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import maxminddb
import numpy as np
from maxminddb.decoder import Decoder

from windlass_entities.inputs.mmdb_tree import Networks, Tree
from windlass_entities.inputs.rows import Rows, RowSink, Said, TableName, asn_number, country_number, span_text

_METADATA = b"\xab\xcd\xefMaxMind.com"
_METADATA_WITHIN = 128 * 1024
_GAP = 16
"""Bytes between the tree and what it points to."""

_CODES = ("country_code", "country")
_NUMBERS = ("autonomous_system_number", "asn")
_NAMES = ("autonomous_system_organization", "as_name", "name", "organization")

# What the library raises over thousands of damaged databases: it promises the first only.
_TORN = (
    maxminddb.InvalidDatabaseError,
    AttributeError,
    LookupError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


def is_mmdb(data: bytes) -> bool:
    """Whether this is an MMDB: they say so near their end."""
    return _METADATA in data[-_METADATA_WITHIN:]


def read_mmdb(data: bytes, table: TableName, sink: RowSink) -> None:
    """Hands the networks of a database to `sink`, counted from 1 in the order of their addresses, IPv4 first.

    Raises ValueError for a database that is not whole.
    """
    with _whole():
        with maxminddb.open_database(io.BytesIO(data), maxminddb.MODE_FD) as reader:
            about = reader.metadata()
        tree = Tree(data, about.node_count, about.record_size)
        facts = _Facts(data, tree.size, about.node_count, table)
        v4 = tree.v4(about.ip_version)
        _take(4, v4, 1, facts, sink)
        if about.ip_version == 6:
            _take(6, tree.v6(), 1 + len(v4.first), facts, sink)


@contextmanager
def _whole() -> Iterator[None]:
    try:
        yield
    except _TORN as error:
        raise ValueError(f"a torn MMDB: {error}") from None


class _Facts:
    """What a database says of its networks.  Many point to the same record, which is decoded once."""

    def __init__(self, data: bytes, tree_size: int, node_count: int, table: TableName) -> None:
        self._decoder = Decoder(data, tree_size + _GAP)
        self._offset = tree_size - node_count
        self._table = table

    def said(self, pointer: int) -> Said | str:
        """What stands there, or why it is of no use."""
        record, _ = self._decoder.decode(pointer + self._offset)
        try:
            return _said(record, self._table)
        except ValueError as error:
            return str(error)


def _take(family: int, networks: Networks, number: int, facts: _Facts, sink: RowSink) -> None:
    """`number`: of the first network."""
    pointers, place, at = np.unique(networks.pointer, return_index=True, return_inverse=True)
    said = [facts.said(pointer) for pointer in pointers.tolist()]
    is_good = np.array([isinstance(each, Said) for each in said], np.bool_)[at]
    value = np.array([each.number if isinstance(each, Said) else 0 for each in said], np.int64)[at]
    rows = Rows(networks.first, networks.last, value, np.arange(number, number + len(at)))
    sink.add_many(family, rows.pick(is_good))
    for each, _ in sorted(zip(said, place.tolist(), strict=True), key=lambda pair: pair[1]):
        if isinstance(each, Said):
            sink.add_name(each.number, each.name)
    for bad in np.flatnonzero(~is_good).tolist():
        text = span_text(networks.first[bad], networks.last[bad], family)
        sink.bad.add(number + bad, text.encode(), str(said[at[bad]]))


def _said(record: object, table: TableName) -> Said:
    """Raises ValueError.  A record that says nothing of what is asked for is a row without value."""
    if not isinstance(record, Mapping):
        raise ValueError("a record without fields")
    if table == "countries":
        country = record.get("country")
        code = country.get("iso_code") if isinstance(country, Mapping) else _one_of(record, _CODES)
        return Said(country_number(_text(code)))
    return Said(asn_number(_text(_one_of(record, _NUMBERS)) or "0"), _text(_one_of(record, _NAMES)))


def _one_of(record: Mapping[str, object], keys: tuple[str, ...]) -> object:
    return next((record[key] for key in keys if record.get(key) is not None), None)


def _text(value: object) -> str:
    return "" if value is None else str(value).strip()
