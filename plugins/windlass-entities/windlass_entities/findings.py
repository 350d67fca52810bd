"""What a check finds, and the smallest repair for it.  Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

import msgspec

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
    "coverage_missing",
    "coverage_malformed",
    "coverage_stale",
    "health_stale",
    "feed_unavailable",
]


class Finding(msgspec.Struct, frozen=True):
    """`target` is a path in the tree; for what belongs to a feed, its name; "" for all.  `detail` is for people.

    A `coverage` is the kept input of a feed; the other private files are sidecars.
    """

    kind: Kind
    target: str
    detail: str


class Targets(msgspec.Struct, frozen=True):
    """The smallest repair.  `everything` makes the rest superfluous; `extra` are paths to take out of the tree."""

    everything: bool = False
    feeds: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()
    asns: frozenset[int] = frozenset()
    indexes: bool = False
    extra: frozenset[str] = frozenset()

    def __len__(self) -> int:
        """How many things are to be made anew; everything is 1: one decision, however big the tree is."""
        parts = len(self.feeds) + len(self.countries) + len(self.asns) + len(self.extra)
        return 1 if self.everything else parts + self.indexes


def targets_of(findings: Iterable[Finding]) -> Targets:
    """What to repair for these findings; nothing for a feed that is unavailable: its last good state stays."""
    found = [each for each in findings if each.kind != "feed_unavailable"]
    if any(_concerns_everything(each) for each in found):
        return Targets(everything=True)
    details = [each.target for each in found if each.kind.startswith("detail_") and not each.kind.endswith("_extra")]
    names = [path.rpartition("/")[2].removesuffix(".json") for path in details]
    return Targets(
        feeds=frozenset(each.target for each in found if _concerns_a_feed(each)),
        countries=frozenset(name for name in names if not name.isdecimal()),
        asns=frozenset(int(name) for name in names if name.isdecimal()),
        indexes=any(each.kind.startswith("index_") for each in found),
        extra=frozenset(each.target for each in found if each.kind.endswith("_extra")),
    )


def counts_of(findings: Iterable[Finding]) -> dict[str, int]:
    """How many of each kind."""
    return dict(sorted(Counter(each.kind for each in findings).items()))


def _concerns_everything(finding: Finding) -> bool:
    """The version marker, the manifest, a private file of no feed, or a configuration that concerns all."""
    is_of_one = finding.kind.startswith(("detail_", "index_")) or finding.kind.endswith("_extra")
    return not is_of_one and not _concerns_a_feed(finding)


def _concerns_a_feed(finding: Finding) -> bool:
    is_of_feeds = finding.kind in ("config_newer", "health_stale") or finding.kind.startswith(("sidecar_", "coverage_"))
    is_named = bool(finding.target) and "/" not in finding.target
    return is_of_feeds and is_named
