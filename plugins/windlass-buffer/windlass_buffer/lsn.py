"""Positions in PostgreSQL's write-ahead log, as numbers: as text `0/A000000` sorts behind `0/9FFFFFF`, wrongly."""

from __future__ import annotations

PAGE = 8192  # bytes of a page of the log (XLOG_BLCKSZ, as every package is built)
HEADER = 24  # bytes that each page begins with (SizeOfXLogShortPHD)


def number(lsn: str) -> int:
    """`16/B374D848` as bytes since the log began. Raises ValueError."""
    high, slash, low = lsn.partition("/")
    if not slash:
        raise ValueError(f"{lsn!r} is no position of the write-ahead log, which look like 16/B374D848")
    return (int(high, 16) << 32) + int(low, 16)


def text(lsn: int) -> str:
    """As PostgreSQL prints it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def end(lsn: int) -> int:
    """Where the last record before this insert position ends: what a replica that replayed it all can report.

    When that record fills its page exactly, pg_current_wal_insert_lsn() names the place behind the next page's header.
    A replica reports the end of the page, and would be waited for until something else is written.
    """
    return lsn - HEADER if lsn % PAGE == HEADER else lsn
