"""What can go wrong with a tree, in words for people."""

from __future__ import annotations

import errno
from pathlib import Path

_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)


class TreeTrouble(Exception):
    """The folder can't be used as it is; the text says what to do.  The generation that is current stays so."""


class NoTree(TreeTrouble):
    """There is no generation to read: none was ever published, or it was taken away."""


class MovedOn(Exception):
    """The draft was computed from a generation that is not current any more: compute it again, inside the lane."""

    def __init__(self, base: int, current: int) -> None:
        super().__init__(f"computed from generation {base}, and generation {current} is current")
        self.base = base
        self.current = current


class Superseded(Exception):
    """A writer with a newer fence has been here: nothing of this one's gets in any more."""

    def __init__(self, fence: int, newer: int) -> None:
        super().__init__(
            f"a writer with fence {newer} has been here, this one has {fence}. Does the lane start again from a lower "
            f"number, after a restored or a new database? Then end all writers and remove the folder `writers`"
        )
        self.fence = fence
        self.newer = newer


def explained(root: Path, error: OSError) -> str:
    """What an error of the system means for who looks after `root`, and what to do."""
    if error.errno in _FULL:
        return f"{root}: there is no room left on its file system ({error.strerror}); make room and try again"
    if error.errno in _REFUSED:
        return f"{root} can't be written ({error.filename}: {error.strerror}); give it to the user that runs workers"
    if error.errno == errno.EXDEV:
        return f"{error.filename} is not on the file system of {root}: stage files below {root / 'staging'}"
    return f"{error.filename or root}: {error.strerror}"
