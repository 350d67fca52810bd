"""A writer's own folder, `writers/FENCE`: the fence is in every path that it writes by.

There is exactly one such folder, ever.  A writer with a newer fence renames it, and from that moment every path of the
older one leads nowhere: its standing trees, the tree that it was making and its `next`, even if it was asleep in the
middle.  No lock is needed for that, and a stopped writer blocks nobody.  So:

- Write by whole paths.  A descriptor of a folder would still lead into it under its new name.
- Never make `writers/FENCE` itself or what is above it, not even by the way as makedirs does.
- A tree that somebody is working on carries his fence in its own name, too.  It is never used by anyone else: a call
  that began before the rename and ends after it can only hit what is garbage by then.
"""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from windlass_entities.tree.names import (
    NOTHING,
    Generation,
    generation_of_standing,
    standing_name,
    writer_name,
    writers_among,
)
from windlass_entities.tree.reading import generations, pointer
from windlass_entities.tree.trouble import Superseded, TreeTrouble

_FOLDERS = ("trees", "changes", "superseded", "garbage")
_OCCUPIED = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR)

# Each try means that another writer came first; fences only grow, so this ends.
_TRIES = 1000


def claim(root: Path, fence: int) -> Desk:
    """Take over from whoever wrote last, and throw away what he left unfinished.

    Raises Superseded when a writer with a newer fence has been here, TreeTrouble when the folder is of no use, OSError.
    """
    writers = root / "writers"
    for _ in range(_TRIES):
        holder = _holder(writers)
        if holder is None:
            _set_up(root, writers)
        elif holder > fence:
            raise Superseded(fence, holder)
        elif holder == fence or _take_over(writers, holder, fence):
            return _tidied(Desk(root, fence))
    raise TreeTrouble(f"{writers} changes faster than it can be read")


class Desk:
    def __init__(self, root: Path, fence: int) -> None:
        self.root = root
        self.fence = fence
        self.path = root / "writers" / writer_name(fence)
        self.work = self.path / f"work.{fence}"
        self.settling = self.path / f"settling.{fence}"
        self.next = self.path / f"next.{fence}"
        self.trees = self.path / "trees"
        self.garbage = self.path / "garbage"
        self._serials = itertools.count()

    def is_ours(self) -> bool:
        """Whether no newer writer has been here."""
        return self.path.is_dir()

    def refuse_if_superseded(self) -> None:
        """Raises Superseded."""
        if not self.is_ours():
            raise Superseded(self.fence, _holder(self.path.parent) or 0)

    def tidy(self) -> None:
        """Nothing unfinished is left.

        In this order: an older writer's last call may still take effect between two of ours, and what it brings about
        is then seen by the next one.
        """
        names = os.listdir(self.path)
        for name in names:
            if name.startswith("next."):
                (self.path / name).unlink(missing_ok=True)
        for name in names:
            if name.startswith(("work.", "settling.")):
                self.discard(self.path / name)
        for writer in writers_among(os.listdir(self.path.parent)):
            if writer < self.fence:  # somebody copied one: only a hand makes a second
                self.discard(self.path.parent / writer_name(writer))
        self._throw_away_unpublished()

    def _throw_away_unpublished(self) -> None:
        current = pointer(self.root)
        if current is None:
            return
        for generation in generations(self.root):
            if generation.number >= current.number and generation != current:
                if generation.fence > self.fence:
                    raise Superseded(self.fence, generation.fence)
                self.discard(self.root / generation.target)

    def discard(self, path: Path) -> None:
        """Out of the way in one call; `removing` frees its room later.  One that is not there is no error."""
        for serial in self._serials:
            try:
                os.rename(path, self.garbage / f"{path.name}.{self.fence}.{serial}")
            except FileNotFoundError:
                self.refuse_if_superseded()
            except OSError as error:
                if error.errno in _OCCUPIED:
                    continue
                raise
            return

    def standing(self) -> list[tuple[Generation, Path]]:
        """The standing trees with the generation that each is like, newest first."""
        found = [(generation_of_standing(name), self.trees / name) for name in os.listdir(self.trees)]
        return sorted(((generation, path) for generation, path in found if generation is not None), reverse=True)

    def stand(self, tree: Path, generation: Generation) -> None:
        """`tree` is a standing tree from now on, like that generation."""
        for serial in itertools.count():
            try:
                os.rename(tree, self.trees / standing_name(generation, serial))
            except OSError as error:
                if error.errno in _OCCUPIED:
                    continue
                raise
            return


def _tidied(desk: Desk) -> Desk:
    try:
        desk.tidy()
    except OSError:
        desk.refuse_if_superseded()
        raise
    return desk


def _holder(writers: Path) -> int | None:
    """The newest fence; None when nobody was here, or when the one folder was renamed while we read the names."""
    try:
        return max(writers_among(os.listdir(writers)), default=None)
    except FileNotFoundError:
        return None


def _take_over(writers: Path, holder: int, fence: int) -> bool:
    """False when another one came first."""
    with suppress(FileNotFoundError):
        os.rename(writers / writer_name(holder), writers / writer_name(fence))
        return True
    return False


def _set_up(root: Path, writers: Path) -> None:
    """The first folder, with fence 0, put in place by one call, which fails where there is one already."""
    if not root.is_dir():
        raise TreeTrouble(f"there is no folder {root}: make it, or is the disk not mounted?")
    made = Path(tempfile.mkdtemp(prefix=".writers-", dir=root))
    try:
        _probe(made)
        for name in _FOLDERS:
            (made / writer_name(0) / name).mkdir(parents=True)
        with suppress(FileExistsError):
            (root / "generations").mkdir(mode=0o755)
        if not generations(root):
            # So that a `current` that is missing was taken away, and what lies there without one was published.
            with suppress(FileExistsError):
                os.symlink(NOTHING.target, root / "current")
        os.rename(made, writers)
    except OSError as error:
        # Another one was first, or has even cleared away what we made.
        if error.errno not in (*_OCCUPIED, errno.ENOENT):
            raise
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _probe(folder: Path) -> None:
    """Raises TreeTrouble when there are no hard links or symlinks."""
    file = folder / "probe"
    file.touch()
    try:
        os.link(file, folder / "linked")
        os.symlink("probe", folder / "pointed")
    except OSError as error:
        raise TreeTrouble(
            f"{folder.parent}: its file system has no hard links or no symlinks ({error.strerror}); "
            f"choose one that has, such as ext4 or XFS"
        ) from error
    for name in ("probe", "linked", "pointed"):
        (folder / name).unlink()


def leftovers(root: Path) -> Iterator[Path]:
    """What those left who were not the first and were killed right then."""
    yield from root.glob(".writers-*")
