"""The check: read and hash every file of the current generation, and compare each with who names it.

`version.json` names the two indexes and the private manifest, an index names its pages, the manifest the private files.
A file that differs is malformed when it can't be read as what it should be, and stale when it can: then it is of
another state.  What nobody names is extra.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from windlass_entities.findings import Finding, Kind
from windlass_entities.tree.reading import FILE, Tree, open_tree
from windlass_entities.tree.trouble import NoTree

Reads = Mapping[str, Callable[[bytes], object]]
"""By the end of a private file's name: what reads it, and raises ValueError when it is malformed."""

_FOLDERS = {"countries": "code", "asns": "asn"}
_BLOCK = 1 << 18


class _Version(msgspec.Struct, frozen=True):
    schema_version: int
    generation: int
    indexes: dict[str, str]
    manifest_sha256: str


class _Manifest(msgspec.Struct, frozen=True):
    files: dict[str, str]


class _Country(msgspec.Struct, frozen=True, gc=False):
    code: str
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.code}.json"


class _Asn(msgspec.Struct, frozen=True, gc=False):
    asn: int
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.asn}.json"


class _Countries(msgspec.Struct, frozen=True):
    countries: list[_Country]


class _Asns(msgspec.Struct, frozen=True):
    asns: list[_Asn]
