"""Feeds' files from outside: where they are, whether they were touched, and what hash they have."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from windlass_entities.engine.sources import SUFFIXES


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
    return next((path for suffix in SUFFIXES if (path := folder / f"{feed}{suffix}").exists()), None)


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
        return Look(stamp, hashlib.sha256(path.read_bytes()).hexdigest() if path is not None else "")
    except OSError:
        return Look(stamp, "")


def look_at_all(folder: Path, feeds: Iterable[str]) -> dict[str, Look]:
    return {feed: look_at(folder, feed) for feed in feeds}
