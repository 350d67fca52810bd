"""Decides what is to be done about findings.  No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from windlass_entities.findings import Finding, targets_of

APART = ("feed_unavailable", "health_stale", "coverage_")
"""A kind that begins so has a task of its own: nothing of the pages is damaged."""


class Mending(msgspec.Struct, frozen=True):
    """`pages`: so many targets are to be repaired; -1: all is to be built anew.

    `recheck`: feeds whose files are looked at again; `reprocess`: those whose kept input is damaged; `health`: those
    whose class has moved.
    """

    pages: int = 0
    recheck: tuple[str, ...] = ()
    reprocess: tuple[str, ...] = ()
    health: tuple[str, ...] = ()

    def deferred(self, limit: int) -> int:
        """How many targets are left alone, because they are too many to be repaired unasked."""
        return self.pages if self.pages > limit else 0


BUILD = -1


def mending(found: Sequence[Finding]) -> Mending:
    targets = targets_of(of_pages(found))
    return Mending(
        pages=BUILD if targets.everything else len(targets),
        recheck=_feeds(found, "feed_unavailable"),
        reprocess=_feeds(found, "coverage_"),
        health=_feeds(found, "health_stale"),
    )


def of_pages(found: Sequence[Finding]) -> list[Finding]:
    """Those that a repair of pages is for."""
    return [each for each in found if not each.kind.startswith(APART)]


def _feeds(found: Sequence[Finding], kind: str) -> tuple[str, ...]:
    return tuple(sorted({_feed_of(each.target) for each in found if each.kind.startswith(kind)}))


def _feed_of(target: str) -> str:
    return target.rpartition("/")[2].removesuffix(".coverage")
