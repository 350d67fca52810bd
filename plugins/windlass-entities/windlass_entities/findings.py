"""What a check finds, and the smallest repair for it.  Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "version_missing",
    "version_mismatch",
    "config_newer",
    "index_missing",
    "index_malformed",
    "index_stale",
    "detail_missing",
    "detail_malformed",
    "detail_stale",
    "detail_extra",
    "sidecar_missing",
    "sidecar_malformed",
    "sidecar_stale",
    "sidecar_extra",
    "health_stale",
    "feed_unavailable",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """`target` is a path in the tree for what lies there, a feed's name for config_newer, health_stale and
    feed_unavailable, or "" for all of it.  `detail` is a clause for people."""

    kind: Kind
    target: str
    detail: str


@dataclass(frozen=True, slots=True)
class Targets:
    """The smallest repair.  `everything` makes the rest superfluous; `extra` are paths to take out of the tree."""

    everything: bool = False
    feeds: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    asns: frozenset[int] = frozenset()
    indexes: bool = False
    extra: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(len(self))

    def __len__(self) -> int:
        """How many things are to be made anew; 1 for everything: that is one decision, however big the tree is."""
        if self.everything:
            return 1
        parts: tuple[Collection[object], ...] = (self.feeds, self.countries, self.asns, self.extra)
        return sum(map(len, parts)) + self.indexes


def targets(findings: Iterable[Finding]) -> Targets:
    """What to repair for these findings.  A feed that is unavailable is not repaired here: its last good state stays."""
    everything = indexes = False
    feeds: set[str] = set()
    countries: set[str] = set()
    asns: set[int] = set()
    extra: set[str] = set()
    for finding in findings:
        path = finding.target.removesuffix(".json")
        name = path.rpartition("/")[2]
        if finding.kind.endswith("_extra"):
            extra.add(finding.target)
        elif finding.kind.startswith("index_"):
            indexes = True
        elif finding.kind.startswith("detail_") and path.startswith("public/countries/"):
            countries.add(name)
        elif finding.kind.startswith("detail_") and name.isdecimal():
            asns.add(int(name))
        elif finding.kind.startswith("sidecar_") and path.startswith("private/feeds/"):
            feeds.add(_feed_of(name))
        elif finding.kind in ("config_newer", "health_stale") and finding.target:
            feeds.add(finding.target)
        elif finding.kind != "feed_unavailable":
            everything = True
    if everything:
        return Targets(everything=True)
    return Targets(
        feeds=frozenset(feeds),
        countries=frozenset(countries),
        asns=frozenset(asns),
        indexes=indexes,
        extra=frozenset(extra),
    )


def _feed_of(name: str) -> str:
    for suffix in (".coverage", ".members"):
        name = name.removesuffix(suffix)
    return name
