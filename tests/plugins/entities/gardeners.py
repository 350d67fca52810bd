"""Processes for tests of the tree: publishers that go on until they are killed, readers at full speed, racing writers.

Each writes what it saw as lines to a file that is named for it, so that what a killed one saw is there.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import time
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from threading import Barrier, Lock
from typing import Any

from windlass_entities.tree import MovedOn, NoTree, Publisher, Superseded, Tree, base_of, open_tree, publishing
from windlass_entities.tree.names import NOTHING
from windlass_entities.tree.reading import FOLDER, pointer

from tests.plugins.entities.orchard import Orchard, flaws


def publish_until(root: Path, fence: int, orchard: Orchard, place: str, hit: int, sign: int) -> None:
    """As `publish_on`, and at the so-manieth hit of a place this process gets a signal."""
    hits = itertools.count(1)

    def act() -> None:
        if next(hits) == hit:
            os.kill(os.getpid(), sign)

    setattr(publishing, place.upper(), act)
    publish_on(root, fence, orchard)


def publish_on(root: Path, fence: int, orchard: Orchard, grace: float = 0.0, limit: int = 1_000_000) -> None:
    """One generation after the other, settling each time."""
    publisher = Publisher(root, fence, grace)
    for turn in range(limit):
        base = base_of(root)
        note(root, publisher=fence, generation=publisher.publish(orchard.draft(base, _staging(root, turn))).generation)
        for _ in publisher.settle():
            pass


def read_on(root: Path, until: Path, locked: bool) -> None:
    """Whole trees, one after the other, until there is that file: in the way of ours, or of a stranger's web server."""
    seen: set[int] = set()
    looks = 0
    while not looks or not until.exists():
        try:
            tree = _look(root) if locked else _stranger_looks(root)
        except NoTree:
            continue
        looks += 1
        seen.add(tree)
    note(root, looks=looks, seen=sorted(seen))


def race(root: Path, orchard: Orchard, until: Path, fences: Synchronized[int], lane: Lock) -> None:
    """A writer who takes turns with others in a lane, and loses it half of the time before he has begun."""
    while not until.exists():
        lane.acquire()
        fences.value += 1
        fence = fences.value
        if is_lost := random.random() < 0.5:
            lane.release()
        try_once(root, orchard, fence, grace=0.2)
        if not is_lost:
            lane.release()


def begin_together(root: Path, orchard: Orchard, barrier: Barrier, fence: int) -> None:
    """One publication, at the same moment as others."""
    barrier.wait(30)
    try_once(root, orchard, fence, grace=0.0)


def try_once(root: Path, orchard: Orchard, fence: int, grace: float) -> None:
    """Publish whatever comes next, or be refused."""
    publisher = Publisher(root, fence, grace)
    try:
        _publish_patiently(root, publisher, fence, orchard)
        for _ in publisher.settle():
            pass
    except Superseded as refused:
        note(root, refused=fence, newer=refused.newer)


def note(root: Path, **facts: object) -> None:
    """One write on an appending descriptor: lines of several processes don't mix."""
    descriptor = os.open(notes_of(root), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, json.dumps(facts).encode() + b"\n")
    os.close(descriptor)


def noted(root: Path, word: str) -> list[dict[str, Any]]:
    """The lines that have this word, in the order they were written."""
    try:
        lines = [json.loads(line) for line in notes_of(root).read_bytes().splitlines()]
    except FileNotFoundError:
        return []
    return [line for line in lines if word in line]


def notes_of(root: Path) -> Path:
    return root.with_name(f"{root.name}.notes")


def _publish_patiently(root: Path, publisher: Publisher, fence: int, orchard: Orchard) -> None:
    while True:
        base = base_of(root)
        try:
            generation = publisher.publish(orchard.draft(base)).generation
        except MovedOn:
            continue
        note(root, publisher=fence, generation=generation)
        return


def _look(root: Path) -> int:
    with open_tree(root) as tree:
        return _examined(root, tree)


def _stranger_looks(root: Path) -> int:
    """Without our lock, as a web server that keeps to one generation: the grace alone protects it."""
    while True:
        generation = pointer(root)
        if generation is None or generation == NOTHING:
            raise NoTree
        try:
            tree = Tree(root / generation.target, generation.number, os.open(root / generation.target, FOLDER))
        except FileNotFoundError:
            if pointer(root) == generation:
                note(root, flaw=f"current dangles: {generation.target}")
            continue
        try:
            return _examined(root, tree)
        finally:
            tree.close()


def _examined(root: Path, tree: Tree) -> int:
    for flaw in flaws(tree)[:3]:
        note(root, flaw=flaw)
    return tree.generation


def _staging(root: Path, turn: int) -> Path:
    return root / "staging" / f"{os.getpid()}.{time.time_ns()}.{turn}"
