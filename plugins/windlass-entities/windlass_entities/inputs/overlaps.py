"""Takes the rows of a table apart where they overlap: every address has one row.

Published tables nest rows, a whole allocation first and what is elsewhere within it after that.  So of rows that
overlap, the one that begins last has the address, of those that begin together the smallest, and of equal ones the
later in the table; an outer row keeps what is left of it.  A search for the last row that begins at or before an
address finds the same.

Hardly any rows overlap, so a look over sorted rows finds those that hang together, and only these are taken one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from windlass_entities.inputs.lines import Positions
from windlass_entities.ranges import Numbers


class Pieces(NamedTuple):
    """Sorted and disjoint: of which row each is, and its bounds.  `clashing`: rows that begin within another one."""

    row: Positions
    first: Numbers
    last: Numbers
    clashing: Positions


def apart(first: Numbers, last: Numbers) -> Pieces:
    order = _sorted(first, last)
    first, last = first[order], last[order]
    inside = np.zeros(len(order), np.bool_)
    if len(order) > 1:
        inside[1:] = first[1:] <= np.maximum.accumulate(last)[:-1]
    if not inside.any():
        return Pieces(order, first, last, order[:0])
    begins = np.flatnonzero(~inside)
    ends = np.concatenate((begins[1:], [len(order)]))
    is_alone = ends - begins == 1
    alone = begins[is_alone]
    pieces = [
        (int(order[at]), begin, end)
        for start, stop in zip(begins[~is_alone].tolist(), ends[~is_alone].tolist(), strict=True)
        for at, begin, end in _laid_over(first[start:stop].tolist(), last[start:stop].tolist(), start)
    ]
    row = np.concatenate((order[alone], np.array([piece[0] for piece in pieces], np.int64)))
    lower = np.concatenate((first[alone], np.array([piece[1] for piece in pieces], first.dtype)))
    upper = np.concatenate((last[alone], np.array([piece[2] for piece in pieces], last.dtype)))
    by_address = np.argsort(lower, kind="stable")
    return Pieces(row[by_address], lower[by_address], upper[by_address], np.sort(order[inside]))


def _sorted(first: Numbers, last: Numbers) -> Positions:
    """Outer rows before inner ones; equal ones as they stand."""
    if bool((first[1:] > first[:-1]).all()):
        return np.arange(len(first))
    largest_first = np.argsort(-last, kind="stable")
    return largest_first[np.argsort(first[largest_first], kind="stable")]


def _laid_over(first: list[int], last: list[int], offset: int) -> Iterator[tuple[int, int, int]]:
    """Sorted rows laid one over the other: the pieces that are seen, each with its row's place."""
    under: list[int] = []
    seen = first[0]
    for at, begin in enumerate(first):
        while under and seen < begin:
            top = under[-1]
            end = min(last[top], begin - 1)
            if seen <= end:
                yield top + offset, seen, end
                seen = end + 1
            if last[top] < begin:
                under.pop()
        seen = begin
        under.append(at)
    while under:
        top = under.pop()
        if seen <= last[top]:
            yield top + offset, seen, last[top]
            seen = last[top] + 1
