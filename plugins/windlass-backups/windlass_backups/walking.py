"""Walking a tree that changes meanwhile: by descriptors and never through a symlink, in the order of names.

A folder that is replaced by a symlink while we are below it can't lead us out of the tree: each name is opened relative
to the folder it was seen in, and refused where it has become a link.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from windlass_backups.trouble import Trouble

Problem = Literal["vanished", "unreadable"]


class Entry(msgspec.Struct, frozen=True):
    """`path` is relative to the tree, "" for its root.  `descriptor` of a file is open while the entry is looked at."""

    path: str
    facts: os.stat_result
    descriptor: int = -1
    link: str = ""


class Tree:
    """`problem` is called with a path for all that was seen and could not be read."""

    def __init__(
        self,
        root: str,
        exclude: Sequence[str],
        apart: Sequence[str],
        problem: Callable[[str, Problem], None],
    ) -> None:
        self._root = root
        self._named = [pattern for pattern in exclude if "/" not in pattern.strip("/")]
        self._placed = [pattern.strip("/") for pattern in exclude if "/" in pattern.strip("/")]
        self._apart = {(facts.st_dev, facts.st_ino) for facts in map(_facts, apart) if facts is not None}
        self._problem = problem

    def entries(self) -> Iterator[Entry]:
        """The root first, each folder before what is in it.  Raises Trouble when the root itself can't be read.

        A folder of `apart` (where backups are written to) is left out with all that is in it.
        """
        try:
            root = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise Trouble(f"{self._root} can't be read: {error.strerror}; is the disk mounted?") from error
        yield Entry("", os.fstat(root))
        # Open folders with what is left to do in them: no recursion, since trees may be deep.
        stack = [(root, "", self._names(root, ""))]
        try:
            while stack:
                folder, path, names = stack[-1]
                name = next(names, None)
                if name is None:
                    stack.pop()
                    os.close(folder)
                    continue
                inside = f"{path}/{name}" if path else name
                for entry in self._entry(folder, name, inside):
                    if stat.S_ISDIR(entry.facts.st_mode):
                        stack.append((entry.descriptor, inside, self._names(entry.descriptor, inside)))
                    yield entry
        finally:
            for folder, _, _ in stack:
                os.close(folder)

    def _names(self, folder: int, path: str) -> Iterator[str]:
        try:
            return iter(sorted(os.listdir(folder)))
        except OSError:
            self._problem(path, "unreadable")
            return iter(())

    def _entry(self, folder: int, name: str, path: str) -> Iterator[Entry]:
        """The entry, unless it is excluded or can't be read.  Of a folder the caller closes the descriptor."""
        if self._is_excluded(name, path):
            return
        try:
            facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISLNK(facts.st_mode):
                yield Entry(path, facts, link=os.readlink(name, dir_fd=folder))
            elif stat.S_ISDIR(facts.st_mode):
                if (facts.st_dev, facts.st_ino) not in self._apart:
                    yield Entry(path, facts, _open(name, folder, os.O_DIRECTORY))
            elif stat.S_ISREG(facts.st_mode):
                yield from self._file(folder, name, path)
            else:
                yield Entry(path, facts)
        except FileNotFoundError:
            self._problem(path, "vanished")
        except OSError:
            # Also what has become something else since it was listed.
            self._problem(path, "unreadable")

    @staticmethod
    def _file(folder: int, name: str, path: str) -> Iterator[Entry]:
        descriptor = _open(name, folder)
        try:
            yield Entry(path, os.fstat(descriptor), descriptor)
        finally:
            os.close(descriptor)

    def _is_excluded(self, name: str, path: str) -> bool:
        return any(fnmatchcase(name, pattern.strip("/")) for pattern in self._named) or any(
            fnmatchcase(path, pattern) for pattern in self._placed
        )


def _open(name: str, folder: int, more: int = 0) -> int:
    # O_NONBLOCK: a file may have become a pipe, and nobody writes into that.
    return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | more, dir_fd=folder)


def _facts(path: str) -> os.stat_result | None:
    with suppress(OSError):
        return os.stat(path)
    return None
