"""A draft: everything that the next generation changes, computed and staged, not yet published."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from windlass_entities.health import Transition


@dataclass(frozen=True, slots=True)
class Report:
    """What a computation found, for people and for those who act on it."""

    feeds: tuple[str, ...] = ()
    """Whose facts or coverage changed."""
    withdrawn: tuple[str, ...] = ()
    transitions: tuple[Transition, ...] = ()
    unavailable: Mapping[str, str] = field(default_factory=dict)
    """Of all feeds: why their files could not be taken."""
    countries: int = 0
    """Pages written."""
    asns: int = 0
    removed: int = 0
    """Pages that are no more."""
    unchanged: int = 0
    """Pages that were computed and stay as they are."""

    def in_words(self) -> str:
        """ "3 feeds changed: 12 countries and 240 ASNs written, 4 pages removed"."""
        changed = len(self.feeds) + len(self.withdrawn)
        written = f"{_many(self.countries, 'country', 'countries')} and {_many(self.asns, 'ASN', 'ASNs')} written"
        return f"{_many(changed, 'feed', 'feeds')} changed: {written}, {_many(self.removed, 'page', 'pages')} removed"


def _many(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


@dataclass(frozen=True, slots=True)
class Draft:
    """To be put on top of generation `base` (0: there is none, `files` is all there is).

    `files`: by its path in the tree, where the staged file lies, or its bytes.  `gone`: paths to be removed.
    `is_whole`: `files` is all that the tree holds.  `summary`: counts for people.
    """

    base: int
    files: Mapping[str, Path | bytes]
    gone: Collection[str] = ()
    summary: Mapping[str, int] = field(default_factory=dict)
    is_whole: bool = False
    report: Report = field(default_factory=Report)
