"""Positions in PostgreSQL's write-ahead log, as numbers: as text `0/10000000` sorts before `0/FFFFFFF`."""

from __future__ import annotations

PAGE = 8192  # bytes of a page of the log (XLOG_BLCKSZ, as every package is built)
SEGMENT = 1 << 20  # of the smallest segment that a cluster can have
HEADER, LONG_HEADER = (
    24,
    40,
)  # that a page begins with, and the first of a segment (SizeOfXLogShortPHD, SizeOfXLogLongPHD)


def number(lsn: str) -> int:
    """`16/B374D848` as bytes since the log began. Raises ValueError."""
    try:
        high, low = (int(half, 16) for half in lsn.split("/"))
    except ValueError:
        raise ValueError(f"{lsn!r} is no position of the write-ahead log, which look like 16/B374D848") from None
    return (high << 32) + low


def text(lsn: int) -> str:
    """As PostgreSQL prints it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def end(lsn: int) -> int:
    """Where the last record before this insert position ends: what a replica that replayed it all can report.

    When that record fills its page exactly, pg_current_wal_insert_lsn() names the place behind the next page's header.
    A replica reports the end of the page, and would be waited for until something else is written.  No other record
    ends there.
    """
    if lsn % PAGE == HEADER:
        return lsn - HEADER
    return lsn - LONG_HEADER if lsn % SEGMENT == LONG_HEADER else lsn
