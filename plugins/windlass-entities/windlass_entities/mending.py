"""Decides what is to be done about findings.  No I/O."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from windlass_entities.integrity import Finding

WHOLE = frozenset({"version_missing", "version_mismatch"})
"""Nothing can be made of such a tree: it is built anew."""
OF_FILES = frozenset({"feed_unavailable"})
"""A feed's file can't be taken: it is looked at again, and nothing of the pages is wrong."""
OF_INPUTS = frozenset({"coverage_missing", "coverage_malformed"})
"""What was accepted of a feed is damaged."""


class Mending(msgspec.Struct, frozen=True):
    """`deferred`: so many targets are left alone, because they are too many to be repaired unasked."""

    rebuild: bool = False
    repair: bool = False
    deferred: int = 0
    recheck: tuple[str, ...] = ()
    reprocess: tuple[str, ...] = ()


def mending(found: Sequence[Finding], limit: int) -> Mending:
    """What is done unasked."""
    kinds = {each.kind for each in found}
    if kinds & WHOLE:
        return Mending(rebuild=True)
    pages = {each.target for each in found if each.kind not in OF_FILES | OF_INPUTS}
    return Mending(
        repair=0 < len(pages) <= limit,
        deferred=len(pages) if len(pages) > limit else 0,
        recheck=_targets(found, OF_FILES),
        reprocess=_targets(found, OF_INPUTS),
    )


def _targets(found: Sequence[Finding], kinds: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted({each.target for each in found if each.kind in kinds}))
