"""When a task that keeps killing its worker is taken out.

Attempts are counted at the claim, so a task that crashes its worker each time would end at the limit of attempts
anyway; but each of those crashes may cost other tasks theirs.  Three in 72 hours, after a recorded start and without
progress in between, are enough (a kind may say otherwise).  The store counts, in the write that takes the task back.
"""

from __future__ import annotations

WINDOW_HOURS = 72
USUAL_LIMIT = 3


def crashes(before: int, *, progressed: bool) -> int:
    """The length of the chain of crashes with the one that just happened; progress before it starts a new chain."""
    return 1 if progressed else before + 1


def is_poison(chain: int, limit: int) -> bool:
    """Whether a chain of crashes is too long; a limit of 0 means never."""
    return 0 < limit <= chain
