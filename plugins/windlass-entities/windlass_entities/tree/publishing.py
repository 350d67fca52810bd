"""Publishing a draft: see docs/entities.md, "How a publication happens"."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from windlass import failpoint

from windlass_entities.tree import changes, placing
from windlass_entities.tree.desk import Desk, claim
from windlass_entities.tree.draft import Draft
from windlass_entities.tree.garbage import removing
from windlass_entities.tree.names import Generation
from windlass_entities.tree.reading import base_of, pointer
from windlass_entities.tree.standing import exhaust, settle, work_tree
from windlass_entities.tree.syncing import sync_file_system, sync_folder
from windlass_entities.tree.trouble import MovedOn, NoTree, Superseded, TreeTrouble, explained

STAGED = failpoint("entities.staged", "a draft is complete, and nothing of the tree was touched")
CLAIMED = failpoint("entities.claimed", "older writers are shut out, and nothing is written")
REPLAYED = failpoint("entities.replayed", "the tree to be is like the current one")
PLACED = failpoint("entities.placed", "the tree to be is complete, and still at the writer's desk")
MOVED = failpoint("entities.moved", "the tree to be is among the generations, and may not be on the disk")
SYNCED = failpoint("entities.synced", "the tree to be is on the disk, and not current")
SWITCHED = failpoint("entities.switched", "the tree is current, and nobody was told")
SETTLING = failpoint("entities.settling", "a standing tree is being brought up to date, or garbage removed")


@dataclass(frozen=True, slots=True)
class Published:
    """`written` and `removed` are files; those that were kept as they were count as neither."""

    generation: int
    written: int
    removed: int
    seconds: float


class Publisher:
    """Writes the tree under `root` with the fence of the lane that the caller holds; `grace` in seconds.

    `now` gives the time for the grace, in seconds since 1970.  One thread at a time.
    """

    def __init__(self, root: Path, fence: int, grace: float, now: Callable[[], float] = time.time) -> None:
        self._root = root
        self._fence = fence
        self._grace = grace
        self._now = now

    def publish(self, draft: Draft) -> Published:
        """Readers see all of it from one moment on, or nothing of it.

        Raises Superseded when a writer with a newer fence has been here, MovedOn when `draft.base` is not current any
        more, ValueError for a draft that is none, TreeTrouble when the folder can't be written.  Then all is as before,
        but for staged files, which may be gone; only when the disk fails at the very end, the draft may be current.
        """
        began = time.monotonic()
        placing.check(draft)
        if STAGED:
            STAGED()
        with self._explained():
            desk = claim(self._root, self._fence)
        with self._explained(desk):
            base = self._base(draft)
            made = Generation(draft.base + 1, self._fence)
            removed = self._make(desk, base, made, draft)
            self._switch(desk, made)
        return Published(made.number, len(draft.files), removed, time.monotonic() - began)

    def settle(self) -> Iterator[int]:
        """Bring standing trees up to date and remove garbage, so that the next publication is quick.

        One item for each small step; stop where you like.  It ends early when a newer writer comes: the rest is his.
        Raises Superseded when one has come before it began, TreeTrouble.
        """
        with self._explained():
            desk = claim(self._root, self._fence)
        with suppress(Superseded), self._explained(desk):
            for done in settle(desk, self._grace, self._now()):
                if SETTLING:
                    SETTLING()
                yield done

    def _base(self, draft: Draft) -> Generation | None:
        """The generation to begin with; None for nothing.  Raises MovedOn, NoTree."""
        number = base_of(self._root)
        if number != draft.base:
            raise MovedOn(draft.base, number)
        if draft.is_whole or not number:
            return None
        base = pointer(self._root)
        if base is None or not (self._root / base.target).is_dir():
            raise NoTree(f"{self._root}: the current generation was taken away; publish a whole tree")
        return base

    def _make(self, desk: Desk, base: Generation | None, made: Generation, draft: Draft) -> int:
        """`desk.work` is the tree to be; how many files were removed."""
        if CLAIMED:
            CLAIMED()
        is_new = base is None or draft.is_repair
        if is_new:
            for _, tree in desk.standing():
                desk.discard(tree)
        if base is None:
            desk.work.mkdir(mode=0o755)
        elif is_new:
            exhaust(placing.link_whole(self._root / base.target, desk.work))
        else:
            work_tree(desk, base, self._grace, self._now())
        if REPLAYED:
            REPLAYED()
        removed = placing.place(desk.work, draft)
        change = changes.Change(made, base or Generation(draft.base, 0), [*draft.files, *draft.gone], is_new)
        changes.record(desk, change)
        if PLACED:
            PLACED()
        return removed

    def _switch(self, desk: Desk, made: Generation) -> None:
        # Moved before it is synced: the name has to be on the disk before `current` can name it.
        os.rename(desk.work, self._root / made.target)
        if MOVED:
            MOVED()
        with suppress(FileExistsError):
            os.symlink("current/public", self._root / "public")
        os.symlink(made.target, desk.next)
        sync_file_system(self._root)
        if SYNCED:
            SYNCED()
        os.rename(desk.next, self._root / "current")
        if SWITCHED:
            SWITCHED()
        sync_folder(self._root)

    @contextmanager
    def _explained(self, desk: Desk | None = None) -> Iterator[None]:
        """Errors of the system as what they mean here."""
        try:
            yield
        except OSError as error:
            if desk is not None:
                desk.refuse_if_superseded()
                # Above all when the disk is full: the next attempt needs the room.
                with suppress(OSError, Superseded):
                    desk.tidy()
                    exhaust(removing(desk))
            raise TreeTrouble(explained(self._root, error)) from error
