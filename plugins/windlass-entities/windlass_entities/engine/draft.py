"""A draft: everything that the next generation changes, computed and staged, not yet published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from windlass_entities.health import Transition
from windlass_entities.tree import draft as tree


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
class Draft(tree.Draft):
    """What is to be published, and the report of the computation that it came from."""

    report: Report = field(default_factory=Report)
