"""What a generation holds, as the engine needs it: read once, kept in memory for the next computation."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import msgspec

from windlass_entities import facts as facts_file
from windlass_entities.facts import FeedFacts
from windlass_entities.health import Transition
from windlass_entities.indexes import (
    ASNS_INDEX,
    COUNTRIES_INDEX,
    FEEDS,
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
_warm: OrderedDict[str, State] = OrderedDict()
"""States by the hash of the version marker: it stands for every byte of a generation, wherever that lies."""

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
    """Never changed: the next state is a copy.

    `files`: hashes of the private files, by path in the tree; `indexes`: those of both indexes, likewise.
    """

    facts: dict[str, FeedFacts] = field(default_factory=dict)
    members: dict[str, Members] = field(default_factory=dict)
    countries: dict[str, CountryEntry] = field(default_factory=dict)
    asns: dict[int, AsnEntry] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    atlas: str = ""
    damage: tuple[str, ...] = ()
    """What is not as it was published.  The rest is what could be read; nothing says then which pages there are."""
    damaged_feeds: frozenset[str] = frozenset()


def load(tree: Tree) -> State:
    """The state of a generation, from memory if it is known.  Never raises for what is in the files."""
    try:
        version = tree.read(VERSION)
    except OSError:
        version = b""
    known = _warm.get(digest(version))
    if known is None:
        known = _Loading(tree).state(version)
        if not known.damage:
            keep(version, known)
    return known


def keep(version: bytes, state: State) -> None:
    """Remembers a state, by its version marker: also of a draft, which may become the next generation."""
    _warm[digest(version)] = state
    _warm.move_to_end(digest(version))
    while len(_warm) > _KEPT:
        _warm.popitem(last=False)


def forget() -> None:
    """What lies on the disk is read again."""
    _warm.clear()


class _Loading:
    """Reads a generation file by file and notes what is damaged."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._damage: list[str] = []

    def state(self, version: bytes) -> State:
        marker = self._decoded(VERSION, version, Version) or Version.unknown()
        if marker.schema_version != SCHEMA_VERSION:
            self._damage.append(f"{VERSION} says schema version {marker.schema_version}, this is {SCHEMA_VERSION}")
        manifest = self._document(MANIFEST, marker.manifest_sha256, Manifest) or Manifest.unknown()
        hashes = {f"public/{path}": sha256 for path, sha256 in marker.indexes.items()}
        countries = self._document(COUNTRIES_INDEX, hashes.get(COUNTRIES_INDEX), CountriesIndex)
        asns = self._document(ASNS_INDEX, hashes.get(ASNS_INDEX), AsnsIndex)
        files = {f"private/{path}": sha256 for path, sha256 in manifest.files.items()}
        facts, members, damaged = self._feeds(files)
        transitions = self._transitions(files)
        return State(
            facts=facts,
            members=members,
            countries={} if countries is None else {entry.code: entry for entry in countries.countries},
            asns={} if asns is None else {entry.asn: entry for entry in asns.asns},
            files=files,
            indexes=hashes,
            transitions=transitions,
            atlas=manifest.atlas,
            damage=tuple(self._damage),
            damaged_feeds=frozenset(damaged),
        )

    def _feeds(self, files: dict[str, str]) -> tuple[dict[str, FeedFacts], dict[str, Members], set[str]]:
        facts: dict[str, FeedFacts] = {}
        members: dict[str, Members] = {}
        damaged: set[str] = set()
        for feed in self._names(files):
            known = len(self._damage)
            try:
                facts[feed] = facts_file.decode(self._read(facts_path(feed), files.get(facts_path(feed))))
                members[feed] = Members.from_bytes(self._read(members_path(feed), files.get(members_path(feed))))
            except ValueError as error:
                self._damage.append(f"{feed}: {error}")
            if len(self._damage) > known:
                damaged.add(feed)
        return facts, members, damaged

    def _names(self, files: dict[str, str]) -> list[str]:
        """Of the feeds: those the manifest knows, and those whose files lie there."""
        paths = {f"{FEEDS}/{name}" for name in self._tree.names(FEEDS)} | files.keys()
        return sorted(
            path[len(FEEDS) + 1 : -len(".json")]
            for path in paths
            if path.startswith(f"{FEEDS}/") and path.endswith(".json")
        )

    def _transitions(self, files: dict[str, str]) -> tuple[Transition, ...]:
        try:
            return msgspec.json.decode(self._read(TRANSITIONS, files.get(TRANSITIONS)), type=tuple[Transition, ...])
        except ValueError as error:
            self._damage.append(f"{TRANSITIONS}: {error}")
            return ()

    def _document(self, path: str, sha256: str | None, kind: type[Document]) -> Document | None:
        return self._decoded(path, self._read(path, sha256), kind)

    def _decoded(self, path: str, data: bytes, kind: type[Document]) -> Document | None:
        try:
            return msgspec.json.decode(data, type=kind)
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
