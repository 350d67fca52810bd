"""Reads the state of a generation from its files, and notes what is not as it was published."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol, TypeVar

import msgspec

from windlass_entities import facts as facts_file
from windlass_entities.engine.state import State, keep, known
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
    AsnsIndex,
    CountriesIndex,
    Manifest,
    Version,
    digest,
    facts_path,
    members_path,
)
from windlass_entities.members import Members

Document = TypeVar("Document")


class Tree(Protocol):
    """One generation, opened for reading."""

    @property
    def generation(self) -> int: ...
    def read(self, path: str) -> bytes:
        """Raises OSError when it is not there."""

    def names(self, folder: str) -> Collection[str]: ...


def load(tree: Tree) -> State:
    """The state of a generation, from memory if it is known.  Never raises for what is in the files."""
    try:
        version = tree.read(VERSION)
    except OSError:
        version = b""
    state = known(version)
    if state is None:
        state = _Loading(tree).state()
        if not state.damage:
            keep(version, state)
    return state


class _Loading:
    """Goes through a generation once."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._damage: list[str] = []

    def state(self) -> State:
        marker = self._document(VERSION, None, Version) or Version.unknown()
        if marker.schema_version != SCHEMA_VERSION:
            self._damage.append(f"{VERSION} says schema version {marker.schema_version}, this is {SCHEMA_VERSION}")
        manifest = self._document(MANIFEST, marker.manifest_sha256, Manifest) or Manifest.unknown()
        hashes = {f"public/{path}": sha256 for path, sha256 in marker.indexes.items()}
        countries = self._document(COUNTRIES_INDEX, hashes.get(COUNTRIES_INDEX, ""), CountriesIndex)
        asns = self._document(ASNS_INDEX, hashes.get(ASNS_INDEX, ""), AsnsIndex)
        files = {f"private/{path}": sha256 for path, sha256 in manifest.files.items()}
        facts, members, damaged = self._feeds(files)
        transitions = self._document(TRANSITIONS, files.get(TRANSITIONS, ""), tuple[Transition, ...])
        return State(
            facts=facts,
            members=members,
            countries={} if countries is None else {entry.code: entry for entry in countries.countries},
            asns={} if asns is None else {entry.asn: entry for entry in asns.asns},
            files=files,
            indexes=hashes,
            transitions=transitions or (),
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
            path = facts_path(feed)
            try:
                found = facts_file.decode(self._read(path, files.get(path, "")))
                if found.name != feed:
                    raise ValueError(f"is of {found.name}")
                facts[feed] = found
                path = members_path(feed)
                members[feed] = Members.from_bytes(self._read(path, files.get(path, "")))
            except ValueError as error:
                self._damage.append(f"{path}: {error}")
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

    def _document(self, path: str, sha256: str | None, kind: type[Document]) -> Document | None:
        try:
            return msgspec.json.decode(self._read(path, sha256), type=kind)
        except ValueError as error:
            self._damage.append(f"{path}: {error}")
            return None

    def _read(self, path: str, sha256: str | None) -> bytes:
        """Raises ValueError for a file that is not the one that was published.

        When what names it is lost (`sha256` is empty) that is damage, and the file is taken as it is.  None: nothing
        names it.
        """
        try:
            data = self._tree.read(path)
        except OSError as error:
            raise ValueError(error.strerror) from None
        if sha256 == "":
            self._damage.append(f"{path}: nothing says what it should be")
        elif sha256 is not None and digest(data) != sha256:
            raise ValueError("is not the file that was published")
        return data
