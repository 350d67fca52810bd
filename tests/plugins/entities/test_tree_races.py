"""Writers that race, when no lane keeps them apart: the fence alone decides.

The long form: TREE_GENERATIONS=1000 TREE_PAGES=1000 TREE_READERS=4 TREE_SECONDS=3600 pytest …/test_tree_races.py
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from windlass_entities.tree import Publisher, base_of

from tests.plugins.entities import gardeners
from tests.plugins.entities.crowd import LONGEST, ORCHARD, PROCESSES, READERS, assert_all_right, end, readers
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(LONGEST)

WRITERS = 8
GENERATIONS = int(os.environ.get("TREE_GENERATIONS", "10"))
ROUNDS = 3


async def test_racing_writers_make_versions_without_gaps_and_the_older_ones_are_refused(tmp_path: Path) -> None:
    root, until = tmp_path / "root", tmp_path / "writers-end"
    root.mkdir()
    fences, lane = PROCESSES.Value("l", 0), PROCESSES.Lock()
    with readers(root, READERS, 0):
        words = (root, ORCHARD, until, fences, lane)
        started = [PROCESSES.Process(target=gardeners.race, args=words) for _ in range(WRITERS)]
        for process in started:
            process.start()
        try:
            await eventually(lambda: has_raced(root), within=60 + 10 * GENERATIONS)
        finally:
            until.touch()
            ended = [end(process) for process in started]
    assert ended == [0] * WRITERS
    current = base_of(root)
    published = sorted((line["generation"], line["publisher"]) for line in gardeners.noted(root, "publisher"))
    assert [generation for generation, _ in published] == list(range(1, current + 1))
    holders = [fence for _, fence in published]
    assert holders == sorted(set(holders)), "an older writer published after a newer one"
    settle(root, fences.value + 1)


def has_raced(root: Path) -> bool:
    return base_of(root) >= GENERATIONS and len(gardeners.noted(root, "refused")) >= GENERATIONS


def settle(root: Path, fence: int) -> None:
    """One more, after which all that may become current holds what it should."""
    publisher = Publisher(root, fence, 0)
    publisher.publish(ORCHARD.draft(base_of(root)))
    list(publisher.settle())
    assert_all_right(root, fence)
    assert [path.name for path in (root / "writers").iterdir()] == [f"{fence:012d}"]


@pytest.mark.parametrize("start", [0, 3], ids=["nobody was here", "somebody was here"])
def test_writers_that_begin_at_the_same_moment_leave_one_writer(tmp_path: Path, start: int) -> None:
    for turn in range(ROUNDS):
        root = tmp_path / f"root{turn}"
        root.mkdir()
        for base in range(start):
            Publisher(root, 1, 0).publish(ORCHARD.draft(base))
        barrier = PROCESSES.Barrier(WRITERS)
        started = [
            PROCESSES.Process(target=gardeners.begin_together, args=(root, ORCHARD, barrier, 2 + number))
            for number in range(WRITERS)
        ]
        for process in started:
            process.start()
        assert [end(process) for process in started] == [0] * WRITERS
        current = base_of(root)
        winners = [(line["generation"], line["publisher"]) for line in gardeners.noted(root, "publisher")]
        assert sorted(winners) == sorted(winners, key=lambda each: each[1])
        assert sorted(generation for generation, _ in winners) == list(range(start + 1, current + 1))
        assert max(fence for _, fence in winners) == 1 + WRITERS
        settle(root, 2 + WRITERS)
