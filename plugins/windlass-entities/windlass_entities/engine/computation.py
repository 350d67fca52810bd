"""One computation: from a generation and new inputs to the files of the next one, and to the state that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np

from windlass_entities import facts as facts_file
from windlass_entities import indexes
from windlass_entities.atlas import Atlas
from windlass_entities.engine.building import Changes, Progress
from windlass_entities.engine.contributions import Holdings
from windlass_entities.engine.planning import Reach
from windlass_entities.engine.say import Say
from windlass_entities.engine.state import State
from windlass_entities.grouping import country_code, join
from windlass_entities.health import Transition
from windlass_entities.indexes import AsnEntry, CountryEntry, Version, digest
from windlass_entities.pages import Places, asn_pages, country_pages

Entry = TypeVar("Entry", CountryEntry, AsnEntry)


class Computation:
    """Runs once: `build_pages`, then `write_private`; `state` and `marker` say what came out."""

    def __init__(self, before: State, after: Holdings, atlas: Atlas, changes: Changes) -> None:
        self._before, self._after, self._atlas, self._changes = before, after, atlas, changes
        self._countries: Mapping[str, CountryEntry] = before.countries
        self._asns: Mapping[int, AsnEntry] = before.asns
        self._indexes = dict(before.indexes)
        self._files: dict[str, str] = {}
        self._transitions: tuple[Transition, ...] = ()
        self.removed = 0

    def build_pages(self, at: Reach, say: Say) -> None:
        """The pages that are reached, and both indexes.  Raises Cancelled."""
        rows = join(list(self._after.members.values()))
        facts, places = list(self._after.facts.values()), places_of(self._atlas)
        countries = np.unique(rows.country[rows.country != 0]) if at.countries is None else at.countries
        asns = np.unique(rows.asn[rows.asn != 0]) if at.asns is None else at.asns
        progress = Progress(len(countries) + len(asns), say)
        by_country = progress.through(country_pages(rows, facts, places, countries))
        codes = [country_code(number) for number in countries.tolist()]
        self._countries = self._placed(indexes.COUNTRIES, by_country, self._before.countries, codes, at.is_whole)
        by_asn = progress.through(asn_pages(rows, facts, places, asns))
        self._asns = self._placed(indexes.ASNS, by_asn, self._before.asns, asns.tolist(), at.is_whole)
        progress.end()
        self._put_index(indexes.COUNTRIES_INDEX, indexes.countries_index(self._countries))
        self._put_index(indexes.ASNS_INDEX, indexes.asns_index(self._asns))

    def _placed(
        self,
        folder: str,
        pages: Iterable[tuple[Entry, bytes]],
        published: Mapping[Any, Entry],
        wanted: Sequence[Any],
        is_whole: bool,
    ) -> dict[Any, Entry]:
        """Stages pages that are different, drops those that are no more, and gives the entries of the index."""
        entries: dict[Any, Entry] = {} if is_whole else dict(published)
        for key in wanted:
            entries.pop(key, None)
        for entry, data in pages:
            known = published.get(entry.key)
            self._changes.put(f"{folder}/{entry.key}.json", data, entry.sha256, None if known is None else known.sha256)
            entries[entry.key] = entry
        if is_whole:
            kept = {f"{folder}/index.json", *(f"{folder}/{key}.json" for key in entries)}
            stale = set(self._changes.names(folder)) - kept
        else:
            stale = {f"{folder}/{key}.json" for key in wanted if key in published and key not in entries}
        self.removed += self._changes.drop(stale)
        return entries

    def _put_index(self, path: str, data: bytes) -> None:
        self._indexes[path] = digest(data)
        self._changes.put(path, data, self._indexes[path], self._before.indexes.get(path))

    def write_private(
        self, coverages: Mapping[str, bytes], transitions: tuple[Transition, ...], is_whole: bool
    ) -> None:
        """Facts, coverages and contributions of the feeds, the transitions, and the manifest of them all."""
        for feed, facts in self._after.facts.items():
            path, known = indexes.facts_path(feed), self._before.facts.get(feed)
            self._put(path, None if facts == known and feed not in coverages else facts_file.encode(facts))
            path, members = indexes.members_path(feed), self._after.members[feed]
            self._put(path, None if members is self._before.members.get(feed) else members.to_bytes())
            path = indexes.coverage_path(feed)
            self._files[path] = facts.coverage_sha256
            if feed in coverages:
                self._put(path, coverages[feed])
        self._transitions = transitions
        is_known = transitions == self._before.transitions and not is_whole
        self._put(indexes.TRANSITIONS, None if is_known else msgspec.json.encode(transitions) + b"\n")
        there = self._changes.names(indexes.FEEDS) if is_whole else self._before.files
        self._changes.drop(set(there) - self._files.keys())
        data = indexes.manifest(self._atlas.digest, self._files.items())
        self._put_index(indexes.MANIFEST, data)

    def _put(self, path: str, data: bytes | None) -> None:
        """None: it is as it was."""
        known = self._before.files.get(path)
        if data is None:
            assert known is not None
            self._files[path] = known
            return
        self._files[path] = digest(data)
        self._changes.put(path, data, self._files[path], known)

    def state(self) -> State:
        return State(
            facts=self._after.facts,
            members=self._after.members,
            countries=dict(self._countries),
            asns=dict(self._asns),
            files=self._files,
            indexes=self._indexes,
            transitions=self._transitions,
            atlas=self._atlas.digest,
        )

    def paths(self) -> set[str]:
        """Of everything that belongs into the tree."""
        pages = {f"{indexes.COUNTRIES}/{code}.json" for code in self._countries}
        pages.update(f"{indexes.ASNS}/{number}.json" for number in self._asns)
        return pages.union(self._indexes, self._files, (indexes.VERSION,))

    def marker(self, generation: int) -> bytes:
        """The version marker of these files as that generation."""
        hashes = {
            path.removeprefix("public/"): self._indexes[path] for path in (indexes.ASNS_INDEX, indexes.COUNTRIES_INDEX)
        }
        times = [facts.last_change for facts in self._after.facts.values() if facts.last_change is not None]
        version = Version(
            schema_version=indexes.SCHEMA_VERSION,
            generation=generation,
            as_of=max(times, default=None),
            feeds=len(self._after.facts),
            countries=len(self._countries),
            asns=len(self._asns),
            indexes=hashes,
            manifest_sha256=self._indexes[indexes.MANIFEST],
        )
        return indexes.encoded(version)


def places_of(atlas: Atlas) -> Places:
    return Places(
        asn_name=atlas.asn_names.get,
        country_addresses=atlas.country_addresses,
        asn_addresses=atlas.asn_addresses,
    )
