"""Reading one generation, whole, while others are published.

`current` is read once.  What is opened by it is one generation's folder, and everything is read below that one; a
shared lock on it keeps the publisher from using it again for as long as it is open.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from windlass_entities.tree.names import NOTHING, Generation, check_path, generation_in, generations_among
from windlass_entities.tree.trouble import NoTree, TreeTrouble

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# Each try means that a generation was published and used up while we opened it.
_TRIES = 1000


def pointer(root: Path) -> Generation | None:
    """What `current` names, whether its folder is there or not; None when `current` is missing.  Raises TreeTrouble."""
    current = root / "current"
    try:
        target = os.readlink(current)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.EINVAL:
            raise TreeTrouble(f"{current} is no symlink, so it was not made here: move it away") from None
        raise TreeTrouble(f"{current}: {error.strerror}") from error
    generation = generation_in(target)
    if generation is None:
        raise TreeTrouble(f"{current} points to {target}, which is no generation: remove it")
    return generation


def base_of(root: Path) -> int:
    """The number that a draft is to be computed from; 0 when there never was a generation.  Raises TreeTrouble.

    Where there is a number and no tree (`open_tree` raises NoTree), somebody took it away: publish a whole tree.  When
    `current` itself is missing, it is the newest number that there is a folder of, so that numbers never go back.
    """
    generation = pointer(root) or max(generations(root), default=None)
    return generation.number if generation else 0


def generations(root: Path) -> list[Generation]:
    """Those that have a folder, oldest first, whether they were ever current or not."""
    try:
        return generations_among(os.listdir(root / "generations"))
    except FileNotFoundError:
        return []


@contextmanager
def open_tree(root: Path) -> Iterator[Tree]:
    """The current generation.  Raises NoTree when there is none, TreeTrouble."""
    generation, descriptor = _open_current(root)
    tree = Tree(root / generation.target, generation.number, descriptor)
    try:
        yield tree
    finally:
        tree.close()


class Tree:
    """One generation, held open.  `folder_of` gives descriptors, for who reads thousands of files."""

    def __init__(self, path: Path, generation: int, descriptor: int) -> None:
        self.path = path
        self.generation = generation
        self._folders = {"": descriptor}

    def read(self, path: str) -> bytes:
        """The bytes of one file.  Raises ValueError for a path that is none, OSError when it is not there."""
        folder, _, name = check_path(path).rpartition("/")
        descriptor = os.open(name, FILE, dir_fd=self.folder_of(folder))
        try:
            # Before `open`, which refuses a folder and leaves its descriptor open.
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a plain file", path)
            with open(descriptor, "rb", closefd=False) as file:
                return file.read()
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> list[str]:
        """Of all that lies in a folder, sorted; nothing when there is no such folder."""
        try:
            return sorted(os.listdir(self.folder_of(folder)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def folder_of(self, folder: str) -> int:
        """Its descriptor, open as long as the tree is; no symlink was followed on the way.  Raises OSError."""
        if folder not in self._folders:
            above, _, name = folder.rpartition("/")
            self._folders[folder] = os.open(name, FOLDER, dir_fd=self.folder_of(above))
        return self._folders[folder]

    def close(self) -> None:
        while self._folders:
            os.close(self._folders.popitem()[1])


def _open_current(root: Path) -> tuple[Generation, int]:
    missing: Generation | None = None
    for _ in range(_TRIES):
        generation = pointer(root)
        if generation is None or generation == NOTHING:
            raise NoTree(f"{root} holds no published tree")
        if generation == missing:
            raise NoTree(f"{root / generation.target}, which is current, was taken away")
        descriptor = _hold(root / generation.target)
        if descriptor is not None:
            return generation, descriptor
        # It was used up between the two looks, so `current` is another by now; or somebody took it away.
        missing = generation
    raise TreeTrouble(f"{root / 'current'} changes faster than it can be opened")


def _hold(folder: Path) -> int | None:
    try:
        descriptor = os.open(folder, FOLDER)
    except FileNotFoundError:
        return None
    try:
        if not _is_taken(descriptor, folder):
            return descriptor
    except FileNotFoundError:
        pass
    os.close(descriptor)
    return None


def _is_taken(descriptor: int, folder: Path) -> bool:
    """Whether the publisher took it to use it again, before we had the lock.  Raises FileNotFoundError: likewise."""
    try:
        # It holds its own lock until the folder has lost its name, and it may be put to sleep there: never wait for it.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # there are no locks here: the grace alone protects a reader
    return not os.path.samestat(os.fstat(descriptor), os.lstat(folder))
