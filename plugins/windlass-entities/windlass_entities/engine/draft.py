"""A draft: everything that the next generation changes, computed and staged, not yet published."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from windlass_entities.health import Transition


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts for people.  `unavailable` says for each such feed why its file was not taken."""

    feeds: tuple[str, ...] = ()
    """Whose facts or coverage changed."""
    withdrawn: tuple[str, ...] = ()
    countries: int = 0
    """Pages written."""
    asns: int = 0
    removed: int = 0
    """Pages that are no more."""
    unchanged: int = 0
    """Pages that were computed and stay as they are."""
    transitions: tuple[Transition, ...] = ()
    unavailable: dict[str, str] = field(default_factory=dict)

    def in_words(self) -> str:
        """ "3 feeds: 12 countries and 240 ASNs written, 4 pages removed"."""
        feeds = "1 feed" if len(self.feeds) == 1 else f"{len(self.feeds)} feeds"
        countries = "1 country" if self.countries == 1 else f"{self.countries} countries"
        asns = "1 ASN" if self.asns == 1 else f"{self.asns} ASNs"
        pages = "1 page" if self.removed == 1 else f"{self.removed} pages"
        return f"{feeds}: {countries} and {asns} written, {pages} removed"


@dataclass(frozen=True, slots=True)
class Draft:
    """To be put on top of generation `base` (0: there is none, `files` is all there is).

    `files`: by its path in the tree, where the staged file lies, or its bytes.  `gone`: paths to be removed.
    """

    base: int
    files: dict[str, Path | bytes]
    gone: list[str]
    summary: Summary
