"""Starting and ending the processes of gardeners.py, and judging what they leave behind."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

from tests.plugins.entities import gardeners
from tests.plugins.entities.orchard import Orchard, contents

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.plugins.entities.gardeners"])

PAGES = int(os.environ.get("TREE_PAGES", "150"))
LONGEST = float(os.environ.get("TREE_SECONDS", "120"))
"""For a test; the long forms take what they take."""
READERS = int(os.environ.get("TREE_READERS", "2"))

ORCHARD = Orchard(PAGES, PAGES // 8)


@contextmanager
def readers(root: Path, locked: int, strangers: int) -> Iterator[None]:
    """They look on while the block runs; afterwards none of them has seen a flaw."""
    until = root.with_name("readers-end")
    started = [
        PROCESSES.Process(target=gardeners.read_on, args=(root, until, number < locked))
        for number in range(locked + strangers)
    ]
    for process in started:
        process.start()
    try:
        yield
    finally:
        until.touch()
        ended = [end(process) for process in started]
    assert gardeners.noted(root, "flaw") == []
    assert ended == [0] * len(started)
    looks = gardeners.noted(root, "looks")
    assert len(looks) == len(started)
    assert all(look["looks"] for look in looks), "a reader that never looked shows nothing"


def end(process: BaseProcess) -> int | None:
    process.join(30)
    if process.exitcode is None:
        process.kill()
        process.join()
    return process.exitcode


def assert_all_right(root: Path, fence: int) -> None:
    """Every tree that is or may become current holds just what it should."""
    for folder in [*(root / "generations").iterdir(), *(root / "writers" / f"{fence:012d}" / "trees").iterdir()]:
        assert contents(folder) == ORCHARD.files(int(folder.name[:8])), folder


def assert_gapless(root: Path, current: int) -> None:
    """Each generation had one publisher, with a fence that only grew; a killed one may not have got to say so."""
    said = [(line["generation"], line["publisher"]) for line in gardeners.noted(root, "publisher")]
    assert said == sorted(said)
    assert len({generation for generation, _ in said}) == len(said)
    assert said[-1][0] in (current, current - 1)
