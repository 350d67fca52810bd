"""The numbers of a task's events: one order for its whole life, without a counter anywhere.

    sequence = attempt × 10,000,000 + n

The attempt's number comes from the claim and is fenced, so two writers can't give out the same number.  Three numbers
of each attempt are fixed, so that events which are derived from the task's rows (created, started, ended) need no row
of their own: a no-op task's timeline costs no write at all.  Numbers only grow; they are not gapless.
"""

from __future__ import annotations

SPAN = 10_000_000
CREATED = 1
STARTED = 0
LAST_WRITABLE = SPAN - 100
WAITS = SPAN - 2
ENDED = SPAN - 1


def sequence(attempt: int, n: int) -> int:
    """The number of the n-th event of an attempt."""
    return attempt * SPAN + n


def attempt_of(number: int) -> int:
    """The attempt an event belongs to; 0 for the time before the first."""
    return number // SPAN
