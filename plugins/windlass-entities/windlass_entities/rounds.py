"""One look of the watcher after another: which feeds are to be refreshed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from windlass_entities.accepted import Standing, read_standing
from windlass_entities.facts import FeedFacts
from windlass_entities.files import Stamp, file_of, look_at, stamp_of
from windlass_entities.inputs import Catalogue, read_catalogue
from windlass_entities.records import Seen
from windlass_entities.seen import is_settled
from windlass_entities.settings import EntitiesSettings
from windlass_entities.tree import NoTree
from windlass_entities.wanting import described_otherwise
from windlass_entities.watching import Stamps, Stillness

CATALOGUE = "/catalogue"
"""No feed is called so."""
TABLES = {"/countries": "countries", "/asns": "asns"}


class Found(msgspec.Struct):
    """`rebuild`: why all pages are to be built; empty when they are not.

    `wait`: seconds until the next look is worth it; None: when somebody rings.
    """

    feeds: list[str] = []
    rebuild: str = ""
    problems: list[str] = []
    wait: float | None = None


class Rounds:
    """Of one run of the watcher.  Looks block, and never overlap."""

    def __init__(self, settings: EntitiesSettings) -> None:
        self._folder = Path(settings.feeds)
        self._root = Path(settings.root)
        self._others = {CATALOGUE: Path(settings.catalogue)}
        self._others |= {name: Path(getattr(settings, field)) for name, field in TABLES.items()}
        self._stillness = Stillness(settings.calm)
        self._catalogue: Catalogue | None = None
        self._known_tables: set[str] = set()
        self._standing: Standing | None = None

    def doubt(self) -> None:
        """From time to time: what somebody was asked to take may have failed."""
        self._stillness.doubt()

    def look(self, now: float, seen: Mapping[str, Seen]) -> Found:
        """`seen`: the marks of files that changed nothing."""
        found = Found()
        self._read_standing()
        stamps = self._stamps()
        for name in self._stillness.due(stamps, now):
            if name == CATALOGUE:
                self._take_catalogue(stamps[name], found)
            elif name in TABLES:
                self._take_table(name, stamps[name], found)
            else:
                self._take_feed(name, stamps[name], seen.get(name), found)
        found.feeds = sorted(set(found.feeds))
        if found.feeds and self._standing is None:
            found.feeds, found.rebuild = [], "nothing is published yet"
        if found.wait is None:
            found.wait = self._stillness.wait(now)
        return found

    def _read_standing(self) -> None:
        try:
            self._standing = read_standing(self._root, self._standing)
        except NoTree:
            self._standing = None

    @property
    def _facts(self) -> Mapping[str, FeedFacts]:
        return self._standing.facts if self._standing is not None else {}

    def _stamps(self) -> Stamps:
        others = {name: stamp_of(path) for name, path in self._others.items()}
        return others | {feed: stamp_of(file_of(self._folder, feed)) for feed in self._catalogue or ()}

    def _take_feed(self, feed: str, stamp: Stamp | None, mark: Seen | None, found: Found) -> None:
        look = look_at(self._folder, feed)
        if look.stamp != stamp:
            return
        is_new = not is_settled(look.sha256, self._facts.get(feed), mark)
        self._stillness.settle(feed, stamp, asked=is_new)
        found.feeds += [feed] * is_new

    def _take_catalogue(self, stamp: Stamp | None, found: Found) -> None:
        changed: list[str] = []
        try:
            self._catalogue = read_catalogue(self._others[CATALOGUE].read_bytes())
            changed = sorted(described_otherwise(self._catalogue, self._facts))
        except OSError as error:
            found.problems.append(f"the catalogue {self._others[CATALOGUE]} can't be read: {error.strerror}")
        except ValueError as error:
            found.problems.append(f"{self._others[CATALOGUE]}: {error}; the feeds stay as they were")
        self._stillness.settle(CATALOGUE, stamp, asked=bool(changed))
        found.feeds += changed
        # Of feeds that were not known before, nobody has looked at the files.
        found.wait = 0.0

    def _take_table(self, name: str, stamp: Stamp | None, found: Found) -> None:
        self._stillness.settle(name, stamp, asked=False)
        if name in self._known_tables and stamp is not None:
            found.rebuild = f"the table of {TABLES[name]} changed"
        self._known_tables.add(name)
