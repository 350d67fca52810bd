"""The indexes, the private manifest and the version marker: every file of a generation is named by one of them.

`version.json` holds the hashes of both indexes and of the manifest, an index holds that of each page, the manifest that
of each private file.  So one who opens a generation can prove it whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

SCHEMA_VERSION = 1

COUNTRIES_INDEX = "public/countries/index.json"
ASNS_INDEX = "public/asns/index.json"
VERSION = "public/version.json"
MANIFEST = "private/manifest.json"
TRANSITIONS = "private/transitions.json"


def country_path(code: str) -> str:
    return f"public/countries/{code}.json"


def asn_path(number: int) -> str:
    return f"public/asns/{number}.json"


def facts_path(feed: str) -> str:
    return f"private/feeds/{feed}.json"


def coverage_path(feed: str) -> str:
    return f"private/feeds/{feed}.coverage"


def members_path(feed: str) -> str:
    return f"private/feeds/{feed}.members"


class CountryEntry(msgspec.Struct, frozen=True, gc=False):
    code: str
    name: str | None
    feeds: int
    asns: int
    attributed_ips: int
    sha256: str


class AsnEntry(msgspec.Struct, frozen=True, gc=False):
    asn: int
    name: str | None
    feeds: int
    countries: int
    attributed_ips: int
    sha256: str


class CountriesIndex(msgspec.Struct, frozen=True):
    schema_version: int
    countries: list[CountryEntry]


class AsnsIndex(msgspec.Struct, frozen=True):
    schema_version: int
    asns: list[AsnEntry]


class Manifest(msgspec.Struct, frozen=True):
    """`files`: the sha256 of each private file, by its path in the tree, in the order of the paths."""

    schema_version: int
    atlas: str
    """The digest of the tables that the contributions were computed with."""
    files: dict[str, str]


class Version(msgspec.Struct, frozen=True):
    """`as_of`: the newest change of a feed that went in."""

    schema_version: int
    generation: int
    as_of: datetime | None
    feeds: int
    countries: int
    asns: int
    countries_sha256: str
    """Of countries/index.json."""
    asns_sha256: str
    """Of asns/index.json."""
    manifest_sha256: str
    """Of the private manifest."""


def countries_index(entries: Mapping[str, CountryEntry]) -> bytes:
    return encoded(CountriesIndex(SCHEMA_VERSION, [entries[code] for code in sorted(entries)]))


def asns_index(entries: Mapping[int, AsnEntry]) -> bytes:
    return encoded(AsnsIndex(SCHEMA_VERSION, [entries[number] for number in sorted(entries)]))


def manifest(atlas: str, files: Iterable[tuple[str, str]]) -> bytes:
    return encoded(Manifest(SCHEMA_VERSION, atlas, dict(sorted(files))))


def encoded(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document) + b"\n"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
