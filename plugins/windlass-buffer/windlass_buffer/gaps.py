"""Decides whether Redis lost what it had acknowledged.  No I/O and no clock.

Redis counts what it is given: numbers are dense, and only ever rise within an epoch.  Each who knew of a higher number
than Redis does now proves a loss; what the main database has of it is not lost.  The counting itself is done inside
Redis (epochs.lua), where producers and drainers who come back at the same moment count nothing twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from windlass_buffer_client.reports import Gap, Totals


class Change(NamedTuple):
    """How Redis is not what it was."""

    what: str
    """For people; empty where a new epoch is all there is to say: one begins at each start of the server."""
    dead: int
    """Dead letters that went with it."""


def change(known: Totals, now: Totals) -> Change | None:
    """What happened to Redis between two looks; None when it only went on."""
    if not known.epoch:
        return None
    dead = max(0, known.dead - now.dead)
    if not now.epoch or (now.epoch != known.epoch and (dead or now.drained < known.drained)):
        return Change("Redis was emptied or set back", dead)
    if now.submitted < known.submitted:
        return Change("Redis was set back", dead)
    return Change("", 0) if now.epoch != known.epoch else None


def differences(before: Iterable[Gap], after: Iterable[Gap]) -> list[tuple[Gap, int]]:
    """Gaps whose count is another than before, and by how much: more is lost, or less than it had seemed."""
    was = {_name(gap): gap for gap in before}
    now = {_name(gap): gap for gap in after}
    grown = [(gap, gap.count - (was[name].count if name in was else 0)) for name, gap in now.items()]
    gone = [(gap, -gap.count) for name, gap in was.items() if name not in now]
    return [(gap, by) for gap, by in (*grown, *gone) if by]


def remaining(before: Iterable[Gap], after: Iterable[Gap]) -> list[Gap]:
    """Those from before that are on record still: what went with an emptied Redis is neither lost again nor found."""
    names = {_name(gap) for gap in after}
    return [gap for gap in before if _name(gap) in names]


def _name(gap: Gap) -> tuple[str, int]:
    """What is there in the main database shortens a gap from its beginning."""
    return gap.epoch, gap.last
