"""Writes computed files into a folder of their own, as cheaply as many thousand small files can be written."""

from __future__ import annotations

import fcntl
import os
import struct
import tempfile
from contextlib import suppress
from pathlib import Path

from windlass_entities.tree.trouble import TreeTrouble, explained

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

# <linux/fs.h>, on 64 bits.
_GET_FLAGS, _SET_FLAGS, _TOP_FOLDER = 0x80086601, 0x40086602, 0x00020000


class Staging:
    """A new folder below `above` for one draft, made when the first file comes.  Files lie in it as in the tree."""

    def __init__(self, above: Path) -> None:
        self._above, self._folder = above, ""
        self._made: set[str] = set()

    def write(self, path: str, data: bytes) -> Path:
        """Not synced: the publication syncs the file system once, for all.  Raises TreeTrouble, as for a full disk."""
        try:
            return self._written(path, data)
        except OSError as error:
            raise TreeTrouble(explained(self._above, error)) from error

    def _written(self, path: str, data: bytes) -> Path:
        if not self._folder:
            self._above.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):
                _scatter(self._above)
            self._folder = tempfile.mkdtemp(prefix="draft-", dir=self._above)
        inside = path.rpartition("/")[0]
        if inside not in self._made:
            os.makedirs(f"{self._folder}/{inside}", exist_ok=True)
            self._made.add(inside)
        place = f"{self._folder}/{path}"
        descriptor = os.open(place, _NEW, 0o444)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)
        return Path(place)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _scatter(folder: Path) -> None:
    """Asks for new folders in this one to be put far from each other.  Raises OSError where that can't be had.

    For some minutes after files were deleted ext4 uses their inodes only when it must, and steps over each of them for
    every file that is made in the same part of the disk.  1,500 files took 1.8 to 3 s beside a folder that had just
    been emptied, and 0.1 s in one that was put elsewhere.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flags = bytearray(8)
        fcntl.ioctl(descriptor, _GET_FLAGS, flags)
        number = struct.unpack("l", flags)[0]
        if not number & _TOP_FOLDER:
            fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", number | _TOP_FOLDER))
    finally:
        os.close(descriptor)
