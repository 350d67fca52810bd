"""The check: read and hash every file of the current generation, and compare each with who names it.

`version.json` names the two indexes and the private manifest, an index names its pages, the manifest the private files.
A file that differs is malformed when it can't be read as what it should be, and stale when it can: then it is of
another state.  What nobody names is extra.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from windlass_entities.findings import Finding, Kind, Targets, counts_of, targets_of
from windlass_entities.indexes import (
    ASNS,
    ASNS_INDEX,
    COUNTRIES,
    COUNTRIES_INDEX,
    FEEDS,
    MANIFEST,
    SCHEMA_VERSION,
    VERSION,
    AsnsIndex,
    CountriesIndex,
    Manifest,
    Version,
    asn_path,
    country_path,
)
from windlass_entities.tree import NoTree, Tree, open_tree
from windlass_entities.tree.hashing import hashes_of

__all__ = ["Finding", "Targets", "counts_of", "look", "targets_of"]

Document = TypeVar("Document", Manifest, CountriesIndex, AsnsIndex)

_Flaw = Literal["missing", "malformed", "stale"]
_KINDS: dict[str, dict[_Flaw, Kind]] = {
    "index": {"missing": "index_missing", "malformed": "index_malformed", "stale": "index_stale"},
    "detail": {"missing": "detail_missing", "malformed": "detail_malformed", "stale": "detail_stale"},
    "sidecar": {"missing": "sidecar_missing", "malformed": "sidecar_malformed", "stale": "sidecar_stale"},
    "coverage": {"missing": "coverage_missing", "malformed": "coverage_malformed", "stale": "coverage_stale"},
}
_DETAILS: dict[_Flaw, str] = {
    "missing": "is not there",
    "malformed": "can't be read as what it should be",
    "stale": "is of another state",
}


def look(root: Path, schema_version: int = SCHEMA_VERSION, newer: Mapping[str, str] | None = None) -> list[Finding]:
    """What is wrong with the current generation; nothing when it is whole.

    `newer`: what the tree does not know yet, by feed, or "" when it concerns all: `{"openai": "another category"}`.
    Raises TreeTrouble when the folder is of no use.
    """
    wanting = [Finding("config_newer", feed, detail) for feed, detail in sorted((newer or {}).items())]
    try:
        with open_tree(root) as tree:
            return [*_Look(tree, schema_version).findings(), *wanting]
    except NoTree as error:
        return [Finding("version_missing", "", str(error))]


class _Look:
    def __init__(self, tree: Tree, schema_version: int) -> None:
        self._tree = tree
        self._known = (schema_version, tree.generation)

    def findings(self) -> Iterator[Finding]:
        version, detail = self._version()
        if version is None:
            yield Finding("version_mismatch", VERSION, detail)
            return
        hashes = {f"public/{path}": sha256 for path, sha256 in version.indexes.items()}
        yield from self._pages(COUNTRIES_INDEX, hashes, CountriesIndex, _country_pages)
        yield from self._pages(ASNS_INDEX, hashes, AsnsIndex, _asn_pages)
        yield from self._extra("public", {VERSION, COUNTRIES, ASNS})
        yield from self._private(version.manifest_sha256)

    def _version(self) -> tuple[Version | None, str]:
        try:
            version = msgspec.json.decode(self._tree.read(VERSION), type=Version)
        except (OSError, ValueError) as error:
            return None, f"can't be read: {error}"
        if (version.schema_version, version.generation) == self._known:
            return version, ""
        schema, generation = self._known
        detail = f"is of schema version {version.schema_version} and generation {version.generation}"
        return None, f"{detail}, where {schema} and {generation} are expected"

    def _pages(
        self,
        path: str,
        hashes: Mapping[str, str],
        document: type[Document],
        pages: Callable[[Document], dict[str, str]],
    ) -> Iterator[Finding]:
        """An index and what it names.  Of an index that can't be read nothing follows for pages."""
        index, flaw = self._named(path, hashes.get(path), document)
        if flaw is not None:
            yield Finding(_KINDS["index"][flaw], path, _DETAILS[flaw])
        if index is not None:
            named = pages(index)
            folder = path.rpartition("/")[0]
            there = self._hashes(folder)
            there.pop(path, None)
            yield from self._compared("detail", named, there)

    def _private(self, expected: str) -> Iterator[Finding]:
        manifest, flaw = self._named(MANIFEST, expected, Manifest)
        if flaw is not None:
            yield Finding(_KINDS["sidecar"][flaw], MANIFEST, _DETAILS[flaw])
        if manifest is not None:
            named = {f"private/{path}": sha256 for path, sha256 in manifest.files.items()}
            there = self._hashes("private") | self._hashes(FEEDS)
            for path in (MANIFEST, FEEDS):
                there.pop(path, None)
            yield from self._compared("sidecar", named, there)

    def _named(self, path: str, expected: str | None, document: type[Document]) -> tuple[Document | None, _Flaw | None]:
        """What it says, as far as it can be read, and what is wrong with it."""
        try:
            data = self._tree.read(path)
        except OSError:
            return None, "missing"
        try:
            read = msgspec.json.decode(data, type=document)
        except ValueError:
            return None, "malformed"
        return read, None if hashlib.sha256(data).hexdigest() == expected else "stale"

    def _compared(self, sort: str, named: Mapping[str, str], there: dict[str, str]) -> Iterator[Finding]:
        for path, expected in named.items():
            found = there.pop(path, None)
            if found != expected:
                flaw = self._flaw(path, found)
                yield Finding(_kinds_of(sort, path)[flaw], _target_of(path), f"{path} {_DETAILS[flaw]}")
        for path in sorted(there):
            yield Finding("detail_extra" if sort == "detail" else "sidecar_extra", path, "nobody names it")

    def _flaw(self, path: str, found: str | None) -> _Flaw:
        if found is None:
            return "missing"
        try:
            reader_of(path)(self._tree.read(path))
        except (OSError, ValueError):
            return "malformed"
        return "stale"

    def _extra(self, folder: str, named: set[str]) -> Iterator[Finding]:
        for path in sorted(set(self._hashes(folder)) - named):
            yield Finding("detail_extra", path, "nobody names it")

    def _hashes(self, folder: str) -> dict[str, str]:
        try:
            return {f"{folder}/{name}": sha256 for name, sha256 in hashes_of(self._tree, folder).items()}
        except OSError:
            return {}


def reader_of(path: str) -> Callable[[bytes], object]:
    """What reads a file of a tree, by the end of its name, and raises ValueError when it is malformed."""
    # Only for what is wrong anyway: the arrays' library takes longer to import than the whole check takes.
    if path.endswith(".coverage"):
        from windlass_entities.ranges import Coverage

        return Coverage.from_bytes
    if path.endswith(".members"):
        from windlass_entities.members import Members

        return Members.from_bytes
    return msgspec.json.decode


def _country_pages(index: CountriesIndex) -> dict[str, str]:
    return {country_path(entry.code): entry.sha256 for entry in index.countries}


def _asn_pages(index: AsnsIndex) -> dict[str, str]:
    return {asn_path(entry.asn): entry.sha256 for entry in index.asns}


def _kinds_of(sort: str, path: str) -> Mapping[_Flaw, Kind]:
    return _KINDS["coverage" if path.endswith(".coverage") else sort]


def _target_of(path: str) -> str:
    """The feed, for what belongs to one."""
    if not path.startswith(f"{FEEDS}/"):
        return path
    name = path.removeprefix(f"{FEEDS}/")
    for suffix in (".json", ".coverage", ".members"):
        name = name.removesuffix(suffix)
    return name
