"""What a generation holds, as the engine needs it: read once, kept in memory for the next computation."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from windlass_entities import facts as facts_file
from windlass_entities.facts import FeedFacts
from windlass_entities.health import Transition
from windlass_entities.indexes import (
    ASNS_INDEX,
    COUNTRIES_INDEX,
    MANIFEST,
    SCHEMA_VERSION,
    TRANSITIONS,
    VERSION,
    AsnEntry,
    AsnsIndex,
    CountriesIndex,
    CountryEntry,
    Manifest,
    Version,
    digest,
    facts_path,
    members_path,
)
from windlass_entities.members import Members

_KEPT = 4
_warm: OrderedDict[tuple[Path, str], State] = OrderedDict()
"""States by root and by the hash of the version marker, which proves the whole generation."""

Document = TypeVar("Document", Manifest, Version, CountriesIndex, AsnsIndex)


class Tree(Protocol):
    """One generation, opened for reading."""

    @property
    def generation(self) -> int: ...
    def read(self, path: str) -> bytes:
        """Raises OSError when it is not there."""
    def names(self, folder: str) -> Collection[str]: ...


@dataclass(frozen=True, slots=True)
class State:
    """Never changed: the next state is a copy.  `files`: hashes of the private files, by path in the tree."""

    facts: dict[str, FeedFacts] = field(default_factory=dict)
    members: dict[str, Members] = field(default_factory=dict)
    countries: dict[str, CountryEntry] = field(default_factory=dict)
    asns: dict[int, AsnEntry] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    atlas: str = ""
    damage: tuple[str, ...] = ()
    """What could not be read.  The rest is what could; nothing says then which pages there are."""


def load(root: Path, tree: Tree) -> State:
    """The state of a generation, from memory if it is known.  Never raises for what is in the files."""
    try:
        version = tree.read(VERSION)
    except OSError:
        return _Loading(tree).state(None)
    key = (root, digest(version))
    if key not in _warm:
        keep(root, version, _Loading(tree).state(version))
    _warm.move_to_end(key)
    return _warm[key]


def keep(root: Path, version: bytes, state: State) -> None:
    """Remembers a state, by its version marker: also of a draft, which may become the next generation."""
    _warm[root, digest(version)] = state
    while len(_warm) > _KEPT:
        _warm.popitem(last=False)


class _Loading:
    """Reads a generation file by file and notes what is damaged."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._damage: list[str] = []

    def state(self, version: bytes | None) -> State:
        marker = self._decoded(VERSION, version, Version)
        if marker is not None and marker.schema_version != SCHEMA_VERSION:
            return State(damage=(f"{VERSION} has schema version {marker.schema_version}, not {SCHEMA_VERSION}",))
        hashes = {"indexes": {}} if marker is None else msgspec.structs.asdict(marker)
        manifest = self._document(MANIFEST, hashes.get("manifest_sha256"), Manifest)
        countries = self._document(COUNTRIES_INDEX, hashes["indexes"].get("countries/index.json"), CountriesIndex)
        asns = self._document(ASNS_INDEX, hashes["indexes"].get("asns/index.json"), AsnsIndex)
        files = {} if manifest is None else {f"private/{path}": sha256 for path, sha256 in manifest.files.items()}
        known, members = self._feeds(files)
        transitions = self._transitions(files)
        return State(
            facts=known,
            members=members,
            countries={} if countries is None else {entry.code: entry for entry in countries.countries},
            asns={} if asns is None else {entry.asn: entry for entry in asns.asns},
            files=files,
            transitions=transitions,
            atlas="" if manifest is None else manifest.atlas,
            damage=tuple(self._damage),
        )

    def _feeds(self, files: dict[str, str]) -> tuple[dict[str, FeedFacts], dict[str, Members]]:
        known: dict[str, FeedFacts] = {}
        members: dict[str, Members] = {}
        names = {name.removesuffix(".json") for name in self._tree.names("private/feeds") if name.endswith(".json")}
        named = {path[len("private/feeds/") : -len(".json")] for path in files if path.endswith(".json")}
        named.discard("")
        for feed in sorted(names | {name for name in named if facts_path(name) in files}):
            data = self._read(facts_path(feed), files.get(facts_path(feed)))
            contributions = self._read(members_path(feed), files.get(members_path(feed)))
            try:
                known[feed] = facts_file.decode(data)
                members[feed] = Members.from_bytes(contributions)
            except ValueError as error:
                self._damage.append(f"{feed}: {error}")
        return known, members

    def _transitions(self, files: dict[str, str]) -> tuple[Transition, ...]:
        try:
            return msgspec.json.decode(self._read(TRANSITIONS, files.get(TRANSITIONS)), type=tuple[Transition, ...])
        except ValueError as error:
            self._damage.append(f"{TRANSITIONS}: {error}")
            return ()

    def _document(self, path: str, sha256: str | None, kind: type[Document]) -> Document | None:
        return self._decoded(path, self._read(path, sha256), kind)

    def _decoded(self, path: str, data: bytes | None, kind: type[Document]) -> Document | None:
        try:
            return msgspec.json.decode(data or b"", type=kind)
        except ValueError as error:
            self._damage.append(f"{path}: {error}")
            return None

    def _read(self, path: str, sha256: str | None) -> bytes:
        """The bytes as they are; empty when there are none.  Bytes with another hash are damage, but are looked at."""
        try:
            data = self._tree.read(path)
        except OSError as error:
            self._damage.append(f"{path}: {error.strerror}")
            return b""
        if hashlib.sha256(data).hexdigest() != sha256:
            self._damage.append(f"{path} is not the file that was published")
        return data
