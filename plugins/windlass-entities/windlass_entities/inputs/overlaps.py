"""Finds the rows of a table that overlap an earlier one.

Hardly any table has such rows, so a look over sorted rows ends it.  Where rows do clash, those that hang together are
taken one by one in the order of the table, each kept if it is apart from all that were kept before.
"""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

from windlass_entities.inputs.lines import Flags
from windlass_entities.ranges import Numbers


def overlapping(first: Numbers, last: Numbers) -> Flags:
    """Which rows overlap an earlier row that does not itself."""
    found = np.zeros(len(first), np.bool_)
    if len(first) < 2:
        return found
    order = np.argsort(first, kind="stable")
    clashes = first[order][1:] <= np.maximum.accumulate(last[order])[:-1]
    if not clashes.any():
        return found
    begins = np.flatnonzero(np.concatenate(([True], ~clashes)))
    ends = np.concatenate((begins[1:], [len(first)]))
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        if end - begin > 1:
            _judge(first, last, np.sort(order[begin:end]).tolist(), found)
    return found


def _judge(first: Numbers, last: Numbers, rows: list[int], found: Flags) -> None:
    """Marks those of `rows`, in their order, that overlap one kept before."""
    kept: list[tuple[int, int]] = []
    for row in rows:
        span = int(first[row]), int(last[row])
        at = bisect_left(kept, span)
        after, before = kept[at : at + 1], kept[max(at - 1, 0) : at]
        if (after and after[0][0] <= span[1]) or (before and before[0][1] >= span[0]):
            found[row] = True
        else:
            insort(kept, span)
