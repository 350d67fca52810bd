"""Keeps a script from filling the disk: what it may write to is measured now and then, for no quota is ours to set."""

from __future__ import annotations

import os
import stat
import time

from .tree import descendants

TYPE_CHECKING = False  # collections is milliseconds that the script would pay
if TYPE_CHECKING:
    from collections.abc import Iterator

_PERIOD = 0.1
"""Seconds between two looks at the file system's free space, one cheap call."""

_LONGEST = 2.0
"""Seconds between two measurements while that shows nothing: somebody else may be freeing what the script takes."""

_SLICE = 0.02
"""Seconds of measuring in one go; signals and messages are served in between."""

_LEAST = 4096
"""Bytes a file counts at least, so that a million empty ones are found as well."""


class DiskMeter:
    """Measures `root`.  `due` is the time of the next look."""

    def __init__(self, root: bytes, limit: int, now: float) -> None:
        self.due = now + _PERIOD
        self._root = root
        self._limit = limit
        self._free = self._free_space()
        self._measured = now
        self._sizes: Iterator[int] | None = None
        self._sum = 0

    def is_over(self, now: float) -> bool:
        """Whether more than the limit is known to be in use.  Takes 20 ms at most."""
        if now < self.due:
            return False
        if self._sizes is None and not self._is_worth_measuring(now):
            self.due = now + _PERIOD
            return False
        for size in self._remaining_sizes():
            self._sum += size
            if self._sum > self._limit:
                return True
            if time.monotonic() > now + _SLICE:
                return False
        self._sizes = None
        self.due = now + _PERIOD
        return False

    def _is_worth_measuring(self, now: float) -> bool:
        free = self._free_space()
        taken = max(before - after for before, after in zip(self._free, free, strict=True))
        if now - self._measured < _LONGEST and taken < self._limit // 8:
            return False
        self._free, self._measured = free, now
        return True

    def _remaining_sizes(self) -> Iterator[int]:
        if self._sizes is None:
            self._sizes, self._sum = sizes(self._root), 0
        return self._sizes

    def _free_space(self) -> tuple[int, int]:
        """Bytes, and the least that as many files as can be made would count."""
        found = os.statvfs(self._root)
        return found.f_bfree * found.f_frsize, found.f_ffree * _LEAST


def sizes(root: bytes) -> Iterator[int]:
    """Bytes of each file in `root`, and of those that are removed but still open in a process below us."""
    todo = [root]
    while todo:
        try:
            entries = os.scandir(todo.pop())
        except OSError:  # removed meanwhile, or closed to us
            continue
        with entries:
            for entry in entries:
                try:
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)
                    yield max(_LEAST, entry.stat(follow_symlinks=False).st_blocks * 512)
                except OSError:
                    continue
    yield from _removed_but_open(os.stat(root).st_dev)


def _removed_but_open(device: int) -> Iterator[int]:
    sizes_by_file = {
        found.st_ino: found.st_blocks * 512
        for process in descendants(os.getpid())
        for found in _open_files(f"/proc/{process.pid}/fd")
        if (found.st_dev, found.st_nlink) == (device, 0) and stat.S_ISREG(found.st_mode)
    }
    yield from sizes_by_file.values()


def _open_files(place: str) -> Iterator[os.stat_result]:
    try:
        names = os.listdir(place)
    except OSError:
        return
    for name in names:
        try:
            yield os.stat(f"{place}/{name}")
        except OSError:
            continue
