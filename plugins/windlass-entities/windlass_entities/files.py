"""Feeds' files from outside: where they are, whether they were touched, and what they hold."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

import msgspec

SUFFIXES = (".netset", ".ipset", ".txt")
"""Of a feed's file, in the order in which they are tried."""


class Stamp(msgspec.Struct, frozen=True):
    """Changes whenever somebody writes to the file, or puts another in its place."""

    inode: int
    size: int
    modified: int
    """Nanoseconds."""


class Look(msgspec.Struct, frozen=True):
    """`stamp` is None when there is no file, `sha256` empty when it can't be read."""

    stamp: Stamp | None
    sha256: str


def file_of(folder: Path, feed: str) -> Path | None:
    """The first that is there, whether it can be read or not."""
    return next((path for suffix in SUFFIXES if _is_there(path := folder / f"{feed}{suffix}")), None)


def read_file(path: Path) -> tuple[bytes, os.stat_result]:
    """What it holds.  Raises OSError, also for what is no plain file: a pipe would be waited for without end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file", str(path))
        with open(descriptor, "rb", closefd=False) as file:
            # The time is that of the bytes, as far as that can be had.
            return file.read(), os.fstat(descriptor)
    finally:
        os.close(descriptor)


def stamp_of(path: Path | None) -> Stamp | None:
    try:
        if path is None:
            return None
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns)


def look_at(folder: Path, feed: str) -> Look:
    """The stamp is from before the bytes were read."""
    path = file_of(folder, feed)
    stamp = stamp_of(path)
    try:
        return Look(stamp, hashlib.sha256(read_file(path)[0]).hexdigest() if path is not None else "")
    except OSError:
        return Look(stamp, "")


def look_at_all(folder: Path, feeds: Iterable[str]) -> dict[str, Look]:
    return {feed: look_at(folder, feed) for feed in feeds}


def _is_there(path: Path) -> bool:
    """True also when the file system can't say: whoever reads it hears why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
