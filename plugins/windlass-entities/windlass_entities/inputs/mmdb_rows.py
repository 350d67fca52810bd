"""Reads tables in MMDB, as MaxMind, DB-IP and IPinfo publish them: each record of the whole tree becomes a row."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import maxminddb

from windlass_entities.inputs.rows import RowSink, Said, TableName, asn_number, country_number

_METADATA = b"\xab\xcd\xefMaxMind.com"
_METADATA_WITHIN = 128 * 1024

_CODES = ("country_code", "country")
_NUMBERS = ("autonomous_system_number", "asn")
_NAMES = ("autonomous_system_organization", "as_name", "name", "organization")

# What the reader raises over thousands of damaged databases: it promises the first only.
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
    """Hands the records of a database to `sink`, counted from 1.  Raises ValueError for one that is not whole.

    By maxminddb's reader in Python, from memory: that in C is four times as fast, and a damaged database makes it write
    where it must not, which ends the process (seen with 3.2.0: random bytes changed, `malloc(): invalid next size`).
    """
    try:
        with maxminddb.open_database(io.BytesIO(data), maxminddb.MODE_FD) as reader:
            most = 2 * reader.metadata().node_count
            for number, (network, record) in enumerate(reader, 1):
                if number > most:
                    raise ValueError("its tree runs in circles")
                _take(number, network, record, table, sink)
    except _TORN as error:
        raise ValueError(f"a torn MMDB: {error}") from None


def _take(number: int, network: Any, record: object, table: TableName, sink: RowSink) -> None:
    try:
        said = _said(record, table)
    except ValueError as error:
        sink.bad.add(number, str(network).encode(), str(error))
        return
    first = int(network.network_address)
    sink.add((network.version, first, first + network.num_addresses - 1), said.number, number)
    sink.add_name(said.number, said.name)


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
