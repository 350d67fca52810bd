"""Publishers that are killed or stopped anywhere, while readers look as fast as they can.

The long form: TREE_KILLS=200 TREE_PAGES=3000 TREE_READERS=4 TREE_SECONDS=3600 pytest …/test_tree_crashes.py
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
from windlass_entities.tree import Publisher, base_of, open_tree

from tests.plugins.entities import gardeners
from tests.plugins.entities.crowd import (
    LONGEST,
    ORCHARD,
    PROCESSES,
    READERS,
    assert_all_right,
    assert_gapless,
    end,
    readers,
)
from tests.plugins.entities.orchard import Orchard, contents
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(LONGEST)

KILLS = int(os.environ.get("TREE_KILLS", "8"))
PLACES = ("staged", "claimed", "replayed", "placed", "moved", "synced", "switched", "settling")
BEFORE_THE_SWITCH = PLACES[:6]

# Long enough for a reader that has no lock to look at one generation on a busy machine.
GRACE_OF_STRANGERS = 5.0


def publisher_at(root: Path, fence: int, place: str, hit: int, sign: signal.Signals) -> BaseProcess:
    """A process that publishes one generation after the other, and gets a signal when it comes to that place."""
    words = (root, fence, ORCHARD, place, hit, sign)
    process = PROCESSES.Process(target=gardeners.publish_until, args=words)
    process.start()
    return process


def test_a_publisher_may_be_killed_at_each_place_and_the_next_one_goes_on(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    fence = 0
    with readers(root, READERS, 0):
        for hit in (1, 3):
            for place in PLACES:
                fence += 1
                before = base_of(root)
                assert end(publisher_at(root, fence, place, hit, signal.SIGKILL)) == -signal.SIGKILL
                done = base_of(root) - before
                assert done == (hit if place == "switched" else hit - 1) or place == "settling"
                if base_of(root):
                    with open_tree(root) as tree:
                        assert contents(tree.path) == ORCHARD.files(tree.generation)
    current = base_of(root)
    assert_gapless(root, current)
    last = Publisher(root, fence + 1, 0)
    last.publish(ORCHARD.draft(current))
    list(last.settle())
    assert_all_right(root, fence + 1)
    assert len(contents(root / "writers")) < 4 * len(ORCHARD.files(1)), "what the dead left was not thrown away"


def test_a_publisher_may_be_killed_at_any_moment(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    seed = int(os.environ.get("TREE_SEED") or random.randrange(1_000_000))
    chance = random.Random(seed)
    fence = 0
    with readers(root, READERS // 2, READERS - READERS // 2):
        while fence < KILLS or base_of(root) < KILLS // 2:
            fence += 1
            process = PROCESSES.Process(target=gardeners.publish_on, args=(root, fence, ORCHARD, GRACE_OF_STRANGERS))
            process.start()
            process.join(chance.uniform(0.01, 0.4 * max(1, ORCHARD.pages / 500)))
            process.kill()
            process.join()
    current = base_of(root)
    assert fence < 20 * KILLS, f"seed {seed}: they hardly got to publish"
    assert_gapless(root, current)
    last = Publisher(root, fence + 1, 0)
    last.publish(ORCHARD.draft(current))
    list(last.settle())
    assert_all_right(root, fence + 1)


@pytest.mark.parametrize("place", BEFORE_THE_SWITCH)
async def test_a_writer_that_slept_at_a_place_while_a_newer_one_published_changes_nothing(
    tmp_path: Path, place: str
) -> None:
    process = publisher_at(tmp_path, 7, place, 3, signal.SIGSTOP)
    try:
        await eventually(lambda: is_stopped(process))
        assert base_of(tmp_path) == 2
        publish_two(tmp_path, 8)
        before = contents(tmp_path)
        go_on(process)
        assert end(process) == 1
    finally:
        process.kill()
        process.join()
    assert gardeners.noted(tmp_path, "publisher")[-1]["generation"] == 2
    assert ours(contents(tmp_path)) == ours(before)
    assert_all_right(tmp_path, 8)


async def test_a_writer_that_slept_amid_placing_changes_nothing(tmp_path: Path) -> None:
    orchard = Orchard(2000, 1000)
    publisher = Publisher(tmp_path, 6, 0)
    publisher.publish(orchard.draft(0))
    list(publisher.settle())
    work = tmp_path / "writers" / f"{7:012d}" / "work.7"
    placed = [path for path in orchard.draft(1).files if path.startswith("public/asns/")]
    expected = orchard.files(2)
    early, last = placed[len(placed) // 5], placed[-1]
    process = PROCESSES.Process(target=gardeners.publish_on, args=(tmp_path, 7, orchard, 0.0, 1))
    process.start()
    try:
        await eventually(lambda: is_in(work, early, expected))
        os.kill(pid_of(process), signal.SIGSTOP)
        assert not is_in(work, last, expected), "it was through with placing: stop it earlier"
        newer = Publisher(tmp_path, 8, 0)
        for base in (1, 2):
            newer.publish(orchard.draft(base))
            list(newer.settle())
        before = contents(tmp_path)
        go_on(process)
        assert end(process) == 1
    finally:
        process.kill()
        process.join()
    assert ours(contents(tmp_path)) == ours(before)
    with open_tree(tmp_path) as tree:
        assert contents(tree.path) == orchard.files(3)


def is_in(tree: Path, path: str, files: Mapping[str, bytes]) -> bool:
    try:
        return (tree / path).read_bytes() == files[path]
    except FileNotFoundError:
        return False


def publish_two(root: Path, fence: int) -> None:
    publisher = Publisher(root, fence, 0)
    for base in (base_of(root), base_of(root) + 1):
        publisher.publish(ORCHARD.draft(base))
        list(publisher.settle())


def ours(files: dict[str, bytes]) -> dict[str, bytes]:
    """Without what was staged: that is not in the tree yet."""
    return {path: content for path, content in files.items() if not path.startswith("staging/")}


def is_stopped(process: BaseProcess) -> bool:
    return Path(f"/proc/{pid_of(process)}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def go_on(process: BaseProcess) -> None:
    os.kill(pid_of(process), signal.SIGCONT)


def pid_of(process: BaseProcess) -> int:
    assert process.pid is not None
    return process.pid
