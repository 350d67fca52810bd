"""The standing trees: what makes a publication cost as much as its change, and not as much as the tree.

A standing tree lies at the writer's desk and is like some generation.  A publication takes one, replays the changes
since then, and adds its own.  Superseded generations become standing trees once nobody can be reading them: `grace`
seconds after they were first seen superseded, and when none of our readers holds them.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from windlass_entities.tree import changes
from windlass_entities.tree.desk import Desk
from windlass_entities.tree.garbage import removing
from windlass_entities.tree.names import NOTHING, Generation, generations_among
from windlass_entities.tree.placing import link_whole, replay
from windlass_entities.tree.reading import FOLDER, generations, pointer

KEPT = 2
"""So many standing trees are kept; one is made when there is none."""


def work_tree(desk: Desk, current: Generation, grace: float, now: float) -> None:
    """Make `desk.work` like the current generation, from the newest standing tree that is good for it.

    Raises OSError.
    """
    if not desk.standing():
        adopt(desk, current, grace, now)
    for generation, tree in desk.standing():
        paths = changes.between(desk, generation, current)
        if paths is not None:
            os.rename(tree, desk.work)
            if _is_replayed(desk, current, paths):
                return
        desk.discard(desk.work if paths is not None else tree)
    exhaust(link_whole(desk.root / current.target, desk.work))


def adopt(desk: Desk, current: Generation, grace: float, now: float) -> None:
    """Superseded generations that nobody reads become standing trees; those that are too many, garbage."""
    for generation in reversed(generations(desk.root)):
        if generation == current or not _is_over(desk, generation, grace, now):
            continue
        held = _take(desk, generation)
        if held is None:
            continue
        try:
            if len(desk.standing()) < KEPT and changes.between(desk, generation, current) is not None:
                desk.stand(desk.root / generation.target, generation)
            else:
                desk.discard(desk.root / generation.target)
        finally:
            os.close(held)


def settle(desk: Desk, grace: float, now: float) -> Iterator[int]:
    """What a publication leaves to be done, in small steps: standing trees, then garbage.  Raises OSError."""
    current = pointer(desk.root)
    if current is not None and current != NOTHING:
        adopt(desk, current, grace, now)
        yield from _bring_up_to_date(desk, current)
        _forget(desk, current)
    yield from removing(desk)


def exhaust(steps: Iterator[int]) -> None:
    for _ in steps:
        pass


def _is_replayed(desk: Desk, current: Generation, paths: list[str]) -> bool:
    """False for a tree that was damaged by hand, such as a folder where a file should be."""
    try:
        exhaust(replay(desk.root / current.target, desk.work, paths))
    except OSError:
        return False
    return True


def _bring_up_to_date(desk: Desk, current: Generation) -> Iterator[int]:
    trees = desk.standing()
    for _, tree in trees[KEPT:]:
        desk.discard(tree)
    for generation, tree in trees[:KEPT]:
        paths = changes.between(desk, generation, current)
        if paths is None:
            desk.discard(tree)
        elif generation != current:
            yield from _replayed(desk, generation, tree, current, paths)
    if not desk.standing():
        yield from link_whole(desk.root / current.target, desk.settling)
        desk.stand(desk.settling, current)


def _replayed(desk: Desk, generation: Generation, tree: Path, current: Generation, paths: list[str]) -> Iterator[int]:
    os.rename(tree, desk.settling)
    try:
        yield from replay(desk.root / current.target, desk.settling, paths)
    except GeneratorExit:
        # What is replayed already does no harm: it will be once more.
        desk.stand(desk.settling, generation)
        raise
    except OSError:
        desk.discard(desk.settling)  # damaged by hand
        return
    desk.stand(desk.settling, current)


def _is_over(desk: Desk, generation: Generation, grace: float, now: float) -> bool:
    """Whether its grace is; that begins when it is first asked for."""
    mark = desk.path / "superseded" / generation.name
    with suppress(FileNotFoundError):
        return mark.stat().st_mtime + grace <= now
    mark.touch()
    os.utime(mark, (now, now))
    return grace <= 0


def _take(desk: Desk, generation: Generation) -> int | None:
    """Its descriptor, with a lock that no reader of ours gets beside; None when one has it."""
    descriptor = os.open(desk.root / generation.target, FOLDER)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        return descriptor  # there are no locks here: the grace alone protects a reader
    return descriptor


def _forget(desk: Desk, current: Generation) -> None:
    """What no tree needs any more: marks of generations that are gone, changes before the oldest tree."""
    there = generations(desk.root)
    oldest = min([generation.number for generation, _ in desk.standing()] + [each.number for each in there])
    changes.forget(desk, min(oldest, current.number))
    marks = desk.path / "superseded"
    for generation in set(generations_among(os.listdir(marks))) - set(there):
        (marks / generation.name).unlink(missing_ok=True)
