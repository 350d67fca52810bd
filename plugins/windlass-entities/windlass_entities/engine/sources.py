"""Where the inputs lie, and looking at them: the catalogue, the tables, and each feed's file."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from windlass_entities.atlas import Atlas
from windlass_entities.engine.say import Say
from windlass_entities.facts import MOST_BAD, Accepted, Bad, FeedFacts, Source, cut_off
from windlass_entities.files import SUFFIXES, file_of, read_file
from windlass_entities.inputs import Catalogue, ReadList, read_catalogue, read_list

_MOST_SEEN = 10_000
_seen: OrderedDict[str, str] = OrderedDict()
"""The coverage (its hash) of a file's bytes (their hash).  A list that is written anew with the same addresses is not
published, so nothing on disk remembers it; a kept process does, and reads its lines only once."""

_atlases: OrderedDict[tuple[tuple[str, int, int], ...], Atlas] = OrderedDict()
"""The newest one: it is large."""


class Unusable(ValueError):
    """The catalogue or a table can't be read, so nothing can be computed; what is published stays."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a feed's file brought.

    `why`: it could not be taken.  `accepted` is None when the bytes are those that were accepted before.
    `coverage`: its normalised bytes, when they had to be worked out and are not those that were accepted before.
    """

    why: str = ""
    accepted: Accepted | None = None
    coverage: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sources:
    """`feeds`: the folder of the lists; `cache`: where the joint partition of both tables may be kept."""

    feeds: Path
    catalogue: Path
    countries: Path
    asns: Path
    cache: Path

    def read_catalogue(self) -> Catalogue:
        """Raises Unusable."""
        try:
            return read_catalogue(self.catalogue.read_bytes())
        except OSError as error:
            raise Unusable(f"the catalogue {self.catalogue} can't be read: {error.strerror}") from None
        except ValueError as error:
            raise Unusable(f"{self.catalogue}: {error}") from None

    def atlas(self) -> Atlas:
        """The tables, from memory while their files are the same.  Raises Unusable."""
        try:
            stats = [(path, path.stat()) for path in (self.countries, self.asns)]
            key = tuple((str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats)
            if key not in _atlases:
                found = Atlas.load(self.countries, self.asns, self.cache)
                _atlases.clear()
                _atlases[key] = found
            return _atlases[key]
        except OSError as error:
            raise Unusable(f"the table {error.filename} can't be read: {error.strerror}") from None
        except ValueError as error:
            raise Unusable(f"the tables can't be used: {error}") from None

    def look(self, facts: FeedFacts, say: Say, again: bool = False) -> Look:
        """Looks at the file of a feed.  `again`: works its coverage out even when the bytes were accepted before."""
        path = file_of(self.feeds, facts.name)
        if path is None:
            return Look(why=f"absent: there is no file {facts.name}{SUFFIXES[0]} ({', '.join(SUFFIXES[1:])})")
        try:
            data, stat = read_file(path)
            modified = datetime.fromtimestamp(int(stat.st_mtime), UTC)
        except OSError as error:
            return Look(why=f"unreadable: {error.strerror}")
        except (ValueError, OverflowError):
            return Look(why="unreadable: its time is beyond all dates")
        source = Source(
            sha256=hashlib.sha256(data).hexdigest(),
            size=len(data),
            modified=modified,
            whole=data.endswith(b"\n"),
        )
        if not again and self._is_known(source, facts):
            return Look()
        if why := cut_off(facts, source.size, source.whole):
            return Look(why=why)
        return self._read(facts.name, source, data, say)

    def _is_known(self, source: Source, facts: FeedFacts) -> bool:
        if facts.source is None:
            return False
        return facts.source.sha256 == source.sha256 or _seen.get(source.sha256) == facts.coverage_sha256

    def _read(self, feed: str, source: Source, data: bytes, say: Say) -> Look:
        found = read_list(data)
        if found.bad_count:
            lines = [f"line {bad.number}: {bad.why}: {bad.text}" for bad in found.bad[:MOST_BAD]]
            say.step(f"{feed}: {found.bad_count} lines can't be read", feed=feed, count=found.bad_count, lines=lines)
            if not found.entries:
                return Look(why=f"unreadable: none of its {found.bad_count} lines is an address, network or range")
        coverage = found.coverage.to_bytes()
        accepted = _accepted(found, source, hashlib.sha256(coverage).hexdigest())
        _seen[source.sha256] = accepted.coverage_sha256
        if len(_seen) > _MOST_SEEN:
            _seen.popitem(last=False)
        return Look(accepted=accepted, coverage=coverage)


def _accepted(found: ReadList, source: Source, coverage_sha256: str) -> Accepted:
    return Accepted(
        source=source,
        coverage_sha256=coverage_sha256,
        unique_ips=found.coverage.unique,
        entries=found.entries,
        bad_lines=found.bad_count,
        bad=tuple(Bad(bad.number, bad.text, bad.why) for bad in found.bad[:MOST_BAD]),
    )
