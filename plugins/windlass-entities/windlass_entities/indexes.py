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

COUNTRIES = "public/countries"
ASNS = "public/asns"
COUNTRIES_INDEX = f"{COUNTRIES}/index.json"
ASNS_INDEX = f"{ASNS}/index.json"
VERSION = "public/version.json"
FEEDS = "private/feeds"
MANIFEST = "private/manifest.json"
TRANSITIONS = "private/transitions.json"


def country_path(code: str) -> str:
    return f"{COUNTRIES}/{code}.json"


def asn_path(number: int) -> str:
    return f"{ASNS}/{number}.json"


def facts_path(feed: str) -> str:
    return f"{FEEDS}/{feed}.json"


def coverage_path(feed: str) -> str:
    return f"{FEEDS}/{feed}.coverage"


def members_path(feed: str) -> str:
    return f"{FEEDS}/{feed}.members"


class CountryEntry(msgspec.Struct, frozen=True, gc=False):
    code: str
    feeds: int
    asns: int
    attributed_ips: int
    sha256: str

    @property
    def key(self) -> str:
        return self.code


class AsnEntry(msgspec.Struct, frozen=True, gc=False):
    asn: int
    name: str | None
    feeds: int
    countries: int
    attributed_ips: int
    sha256: str

    @property
    def key(self) -> int:
        return self.asn


class CountriesIndex(msgspec.Struct, frozen=True):
    schema_version: int
    countries: list[CountryEntry]


class AsnsIndex(msgspec.Struct, frozen=True):
    schema_version: int
    asns: list[AsnEntry]


class Manifest(msgspec.Struct, frozen=True):
    """`files`: the sha256 of each private file but this one, by its path in `private/`, in the order of the paths."""

    schema_version: int
    atlas: str
    """The digest of the tables that the contributions were computed with."""
    files: dict[str, str]

    @classmethod
    def unknown(cls) -> Manifest:
        return cls(SCHEMA_VERSION, "", {})


class Version(msgspec.Struct, frozen=True):
    """`as_of`: the newest change of a feed that went in."""

    schema_version: int
    generation: int
    as_of: datetime | None
    feeds: int
    countries: int
    asns: int
    indexes: dict[str, str]
    """The sha256 of both indexes, by their path in `public/`."""
    manifest_sha256: str
    """Of the private manifest."""

    @classmethod
    def unknown(cls) -> Version:
        return cls(SCHEMA_VERSION, 0, None, 0, 0, 0, {}, "")


def countries_index(entries: Mapping[str, CountryEntry]) -> bytes:
    return encoded(CountriesIndex(SCHEMA_VERSION, [entries[code] for code in sorted(entries)]))


def asns_index(entries: Mapping[int, AsnEntry]) -> bytes:
    return encoded(AsnsIndex(SCHEMA_VERSION, [entries[number] for number in sorted(entries)]))


def manifest(atlas: str, files: Iterable[tuple[str, str]]) -> bytes:
    """`files`: paths in the tree, with their hashes."""
    inside = {path.removeprefix("private/"): sha256 for path, sha256 in sorted(files)}
    return encoded(Manifest(SCHEMA_VERSION, atlas, inside))


def encoded(document: msgspec.Struct) -> bytes:
    return msgspec.json.encode(document) + b"\n"


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
