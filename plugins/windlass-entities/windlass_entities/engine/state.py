"""What a generation holds, as the engine needs it: read once, kept in memory for the next computation."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from windlass_entities.facts import FeedFacts
from windlass_entities.health import Transition
from windlass_entities.indexes import AsnEntry, CountryEntry, digest
from windlass_entities.members import Members


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


_KEPT = 4
_warm: OrderedDict[str, State] = OrderedDict()
"""States by the hash of the version marker: it stands for every byte of a generation, wherever that lies."""


def known(version: bytes) -> State | None:
    """The state of the generation that has this version marker, if it is remembered."""
    return _warm.get(digest(version))


def keep(version: bytes, state: State) -> None:
    """Remembers a state: also that of a draft, which may become the next generation."""
    _warm[digest(version)] = state
    _warm.move_to_end(digest(version))
    while len(_warm) > _KEPT:
        _warm.popitem(last=False)


def forget() -> None:
    """What lies on the disk is read again."""
    _warm.clear()
