"""What is known of a feed: its facts, kept privately beside its coverage, and how a look at its file changes them.

Facts describe the input that was *accepted* last: `source`, `entries` and `bad` stay as they are when a file brings
other lines for the same addresses, for then nothing is published.  A file that can't be had, or that was cut off,
is not accepted: coverage and counts stay, only `unavailable` says why.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec
from msgspec.structs import replace

from windlass_entities.health import Condition, Health, Thresholds, health_of
from windlass_entities.inputs import FeedEntry
from windlass_entities.ranges import coverage_of

NOTHING = coverage_of().to_bytes()
"""The coverage of a feed that was never accepted."""
_NOTHING_SHA256 = hashlib.sha256(NOTHING).hexdigest()

MOST_BAD = 20
"""Bad lines that the facts name; all of them are counted."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """The file as it was accepted.  `modified` is its time, in whole seconds."""

    sha256: str
    size: int
    modified: datetime
    whole: bool
    """It ended with the end of a line."""


class Bad(msgspec.Struct, frozen=True):
    """A line that could not be read."""

    line: int
    text: str
    why: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """What a file held.  `coverage_sha256` is that of its normalised coverage's bytes."""

    source: Source
    coverage_sha256: str
    unique_ips: int
    entries: int
    bad_lines: int
    bad: tuple[Bad, ...] = ()


class FeedFacts(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    category: str = ""
    maintainer: str = ""
    licence: str = ""
    url: str = ""
    maintained: bool = True
    health: Health = "unavailable"
    unavailable: str = ""
    """Why its file could not be taken; empty when it could."""
    unique_ips: int = 0
    unattributed_ips: int = 0
    """Of them, those that neither table covers."""
    last_change: datetime | None = None
    """Of its coverage: the time of the file that brought it.  None: there was never one."""
    entries: int = 0
    bad_lines: int = 0
    bad: tuple[Bad, ...] = ()
    source: Source | None = None
    coverage_sha256: str = _NOTHING_SHA256

    @property
    def shown(self) -> tuple[object, ...]:
        """What pages say of the feed: when this changes, every page that lists it does."""
        return (self.category, self.maintainer, self.unique_ips, self.health, self.last_change)


def cut_off(before: FeedFacts, size: int, whole: bool) -> str:
    """Why a file of `size` bytes looks like the beginning of one that is still being written, or empty.

    It is careful: lists do shrink, and lists without a last newline exist.  Only a file that ended with a newline when
    it was accepted, now ends inside a line and has lost more than half of its bytes counts as cut off; and one without
    any byte where there were entries, which is what opening a file for writing leaves.  A feed that is meant to be
    empty says so with a comment or an empty line.
    """
    if before.source is None or not before.entries:
        return ""
    if not size:
        return f"cut off: the file has no byte any more, it had {before.source.size}"
    if before.source.whole and not whole and size * 2 < before.source.size:
        return f"cut off: the file ends inside a line after {size} bytes, it had {before.source.size}"
    return ""


def described(before: FeedFacts | None, entry: FeedEntry) -> FeedFacts:
    """The facts with what the catalogue says now."""
    return replace(
        before or FeedFacts(name=entry.name),
        category=entry.category,
        maintainer=entry.maintainer,
        licence=entry.licence,
        url=entry.url,
        maintained=entry.maintained,
    )


def missing(before: FeedFacts, why: str) -> FeedFacts:
    """Its file could not be taken: the last good state stays."""
    return replace(before, unavailable=why)


def forgotten(before: FeedFacts, why: str) -> FeedFacts:
    """Its file could not be taken, and what was kept of it is lost."""
    kept = {name: getattr(before, name) for name in ("category", "maintainer", "licence", "url", "maintained")}
    return FeedFacts(name=before.name, unavailable=why, **kept)


def accepted(before: FeedFacts, found: Accepted) -> FeedFacts:
    """Its file was read.  Only another coverage is a change; `unattributed_ips` is then still to be counted."""
    if before.source is not None and found.coverage_sha256 == before.coverage_sha256:
        return replace(before, unavailable="")
    return replace(
        before,
        unavailable="",
        unique_ips=found.unique_ips,
        last_change=found.source.modified,
        entries=found.entries,
        bad_lines=found.bad_lines,
        bad=found.bad,
        source=found.source,
        coverage_sha256=found.coverage_sha256,
    )


def settled(facts: FeedFacts, thresholds: Thresholds, now: datetime) -> FeedFacts:
    """The facts with the class that the feed has now."""
    condition = Condition(
        available=not facts.unavailable,
        unique_ips=facts.unique_ips,
        maintained=facts.maintained,
        last_change=facts.last_change,
    )
    return replace(facts, health=health_of(condition, thresholds, now))


def encode(facts: FeedFacts) -> bytes:
    return msgspec.json.encode(facts) + b"\n"


def decode(data: bytes) -> FeedFacts:
    """ValueError (msgspec's) for anything that is no such document."""
    return msgspec.json.decode(data, type=FeedFacts)
