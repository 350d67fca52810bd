"""What an error of the database means for the work at hand.  Decided by its SQLSTATE; no I/O."""

from __future__ import annotations

from enum import Enum

import psycopg


class Verdict(Enum):
    AWAY = "away"
    """The database, not the entry: it can't be reached, is starting or stopping, full, or a standby now."""
    AGAIN = "again"
    """Nobody's fault: others were in the way.  The same again may do."""
    FAILED = "failed"
    """The entry: what it asks for can't be done as things are."""


AWAY_CLASSES = ("08", "53", "57P", "58")
"""Connection exceptions, insufficient resources (a full disk too), operator intervention, errors of the system."""
AWAY_STATES = ("25006", "26000", "40003")
"""A read-only server: after a failover this address may lead to a standby.  A connection that has lost its prepared
statements (some poolers do that).  An outcome that nobody knows."""
AGAIN_STATES = ("40001", "40P01", "55P03")
"""A serialization failure, a deadlock, a lock that was not to be had."""


def judge(error: psycopg.Error, *, is_broken: bool) -> Verdict:
    """`is_broken`: the connection is of no use any more."""
    state = error.sqlstate or ""
    if is_broken or state.startswith(AWAY_CLASSES) or state in AWAY_STATES:
        return Verdict.AWAY
    if state in AGAIN_STATES:
        return Verdict.AGAIN
    if not state and isinstance(error, psycopg.OperationalError):
        return Verdict.AWAY
    return Verdict.FAILED


def in_words(error: Exception) -> str:
    """What the server said, without what libpq puts before it; one line."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    first = lines[0].rpartition(" failed: ")[2] or lines[0]
    detail = next((line.strip() for line in lines[1:] if line.startswith("DETAIL:")), "")
    state = getattr(error, "sqlstate", None)
    return f"{first}{f' ({detail})' if detail else ''}{f' [{state}]' if state else ''}"[:2_000]
