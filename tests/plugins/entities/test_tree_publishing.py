"""One publication after the other, by one writer at a time: what readers find, and what it costs."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from windlass_entities.tree import (
    Draft,
    MovedOn,
    NoTree,
    Publisher,
    Superseded,
    TreeTrouble,
    base_of,
    open_tree,
    publishing,
)
from windlass_entities.tree.syncing import sync_file_system, sync_folder

from tests.plugins.entities.orchard import Orchard, contents, flaws

ORCHARD = Orchard()


def publish(root: Path, base: int, fence: int = 1, grace: float = 0.0, settle: bool = True) -> None:
    publisher = Publisher(root, fence, grace)
    publisher.publish(ORCHARD.draft(base))
    if settle:
        list(publisher.settle())


def held(root: Path) -> dict[str, bytes]:
    with open_tree(root) as tree:
        assert flaws(tree) == []
        return contents(tree.path)


def standing(root: Path, fence: int = 1) -> list[Path]:
    return sorted((root / "writers" / f"{fence:012d}" / "trees").iterdir())


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests lose no power, and the disk may be busy."""
    monkeypatch.setattr(publishing, "sync_file_system", lambda folder: None)
    monkeypatch.setattr(publishing, "sync_folder", lambda folder: None)


def test_before_the_first_publication_there_is_no_tree(tmp_path: Path) -> None:
    with pytest.raises(NoTree, match="no published tree"), open_tree(tmp_path):
        pass
    assert base_of(tmp_path) == 0


def test_the_first_publication_is_generation_one_and_a_web_server_finds_it(tmp_path: Path) -> None:
    published = Publisher(tmp_path, 1, 60).publish(ORCHARD.draft(0))
    assert (published.generation, published.written, published.removed) == (1, len(ORCHARD.files(1)), 0)
    assert held(tmp_path) == ORCHARD.files(1)
    assert (tmp_path / "public" / "version.json").read_bytes() == ORCHARD.files(1)["public/version.json"]


@pytest.mark.parametrize("settle", [True, False], ids=["settled", "never settled"])
@pytest.mark.parametrize("grace", [0.0, 3600.0], ids=["no grace", "long grace"])
@pytest.mark.parametrize("step", [0, 1, 3], ids=["same fence", "each fence one more", "fences with gaps"])
def test_each_generation_holds_just_what_it_should(tmp_path: Path, settle: bool, grace: float, step: int) -> None:
    for base in range(12):
        publish(tmp_path, base, 1 + base * step, grace, settle)
        assert held(tmp_path) == ORCHARD.files(base + 1)
        assert base_of(tmp_path) == base + 1


def test_staged_files_are_moved_and_files_of_a_tree_are_read_only(tmp_path: Path) -> None:
    draft = ORCHARD.draft(0, tmp_path / "staging" / "7.1")
    staged = [content for content in draft.files.values() if isinstance(content, Path)]
    inodes = {path.stat().st_ino for path in staged}
    Publisher(tmp_path, 1, 0).publish(draft)
    assert held(tmp_path) == ORCHARD.files(1)
    assert not any(path.exists() for path in staged)
    with open_tree(tmp_path) as tree:
        files = [path.stat() for path in tree.path.rglob("*.json")]
        assert inodes <= {facts.st_ino for facts in files}
        assert {facts.st_mode & 0o777 for facts in files} == {0o444}
        assert (tree.path / "private").stat().st_mode & 0o777 == 0o700


def test_a_file_that_did_not_change_is_the_same_file_on_the_disk(tmp_path: Path) -> None:
    publish(tmp_path, 0)
    with open_tree(tmp_path) as tree:
        before = {path.name: path.stat().st_ino for path in (tree.path / "public/asns").iterdir()}
    publish(tmp_path, 1)
    same = set(ORCHARD.files(1).items()) & set(ORCHARD.files(2).items())
    names = [Path(path).name for path, _ in same if path.startswith("public/asns/")]
    with open_tree(tmp_path) as tree:
        assert len(names) > 30
        assert all((tree.path / "public/asns" / name).stat().st_ino == before[name] for name in names)


def test_a_whole_draft_leaves_nothing_of_its_base(tmp_path: Path) -> None:
    publish(tmp_path, 0)
    with open_tree(tmp_path) as tree:
        (tree.path / "public/asns/stray.json").write_text("by hand")
    Publisher(tmp_path, 1, 0).publish(ORCHARD.whole(1))
    assert held(tmp_path) == ORCHARD.files(2)
    publish(tmp_path, 2)
    assert held(tmp_path) == ORCHARD.files(3)


def test_a_draft_of_another_base_is_computed_again(tmp_path: Path) -> None:
    publish(tmp_path, 0)
    publish(tmp_path, 1)
    with pytest.raises(MovedOn, match="generation 1, and generation 2") as raised:
        Publisher(tmp_path, 2, 0).publish(ORCHARD.draft(1))
    assert (raised.value.base, raised.value.current) == (1, 2)
    assert held(tmp_path) == ORCHARD.files(2)


def test_an_older_writer_is_refused_and_told_what_it_means(tmp_path: Path) -> None:
    publish(tmp_path, 0, fence=5)
    with pytest.raises(Superseded, match=r"fence 5 has been here, this one has 4.*remove the folder `writers`"):
        Publisher(tmp_path, 4, 0).publish(ORCHARD.draft(1))
    with pytest.raises(Superseded):
        list(Publisher(tmp_path, 4, 0).settle())
    assert held(tmp_path) == ORCHARD.files(1)


def test_after_the_folder_of_writers_was_removed_any_fence_goes_on(tmp_path: Path) -> None:
    publish(tmp_path, 0, fence=57)
    (tmp_path / "writers").rename(tmp_path / "away")
    publish(tmp_path, 1, fence=1)
    publish(tmp_path, 2, fence=2)
    assert held(tmp_path) == ORCHARD.files(3)


LEADING_OUT = [
    "public/../../outside.json",
    "/etc/passwd",
    "public//x.json",
    "public/asns/..",
    "elsewhere/x",
    "public",
    "",
]
ODD = ["public/.hidden", "public/a\nb.json", "public/a/b/c/d.json", "public/ü.json"]


@pytest.mark.parametrize(
    "draft",
    [*(Draft(0, {path: b"x"}) for path in LEADING_OUT + ODD), *(Draft(0, {}, [path]) for path in LEADING_OUT)],
    ids=repr,
)
def test_a_path_that_leads_elsewhere_is_refused_before_anything_is_touched(tmp_path: Path, draft: Draft) -> None:
    with pytest.raises(ValueError, match="no path in a tree"):
        Publisher(tmp_path, 1, 0).publish(draft)
    assert list(tmp_path.iterdir()) == []


def test_a_staged_link_or_shared_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "link").symlink_to("secret")
    os.link(tmp_path / "secret", tmp_path / "second")
    for staged in ("link", "second", "."):
        with pytest.raises(TreeTrouble, match="no plain file of its own"):
            Publisher(tmp_path, 1, 0).publish(Draft(0, {"public/version.json": tmp_path / staged}))
    with pytest.raises(TreeTrouble, match="No such file"):
        Publisher(tmp_path, 1, 0).publish(Draft(0, {"public/version.json": tmp_path / "nothing"}))


def test_a_small_change_touches_no_more_than_itself(tmp_path: Path) -> None:
    for base in range(4):
        publish(tmp_path, base)
    with open_tree(tmp_path) as tree:
        before = tree.path.stat().st_ino
    ready = {path.stat().st_ino for path in standing(tmp_path)}
    calls = traced(tmp_path, 4)
    with open_tree(tmp_path) as tree:
        assert tree.path.stat().st_ino in ready - {before}
    assert held(tmp_path) == ORCHARD.files(5)
    draft = ORCHARD.draft(4)
    changed = len(draft.files) + len(draft.gone)
    assert calls["os.open"] <= changed + 15
    assert calls["os.link"] + calls["os.remove"] <= 2 * changed + 5


def traced(root: Path, base: int) -> dict[str, int]:
    """How often the system was called to do what, by one publication in a process of its own."""
    code = (
        "import collections, json, sys\n"
        "from pathlib import Path\n"
        "from tests.plugins.entities.orchard import Orchard\n"
        "from windlass_entities.tree import Publisher\n"
        f"publisher, draft = Publisher(Path({str(root)!r}), 1, 0), Orchard().draft({base})\n"
        "calls = collections.Counter()\n"
        "sys.addaudithook(lambda event, args: calls.update([event]))\n"
        "publisher.publish(draft)\n"
        "print(json.dumps(calls))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    return Counter(json.loads(done.stdout))


def test_two_or_three_trees_stand_and_no_more(tmp_path: Path) -> None:
    for base in range(12):
        publish(tmp_path, base)
        trees = len(standing(tmp_path)) + len(list((tmp_path / "generations").iterdir()))
        assert trees <= 3
    writer = tmp_path / "writers" / f"{1:012d}"
    assert list((writer / "garbage").iterdir()) == []
    assert len(list((writer / "changes").iterdir())) <= 2
    assert len(list((writer / "superseded").iterdir())) <= 2


def test_a_superseded_generation_stays_for_its_grace(tmp_path: Path) -> None:
    time = 1000.0
    publisher = Publisher(tmp_path, 1, 60, now=lambda: time)
    publisher.publish(ORCHARD.draft(0))
    with open_tree(tmp_path) as tree:
        first = tree.path
    publisher.publish(ORCHARD.draft(1))
    list(publisher.settle())
    time += 59
    list(publisher.settle())
    assert contents(first) == ORCHARD.files(1)
    time += 1
    list(publisher.settle())
    assert not first.exists()


def test_a_generation_that_is_being_read_is_left_alone(tmp_path: Path) -> None:
    publish(tmp_path, 0)
    with open_tree(tmp_path) as tree:
        for base in range(1, 5):
            publish(tmp_path, base)
        assert tree.generation == 1
        assert flaws(tree) == []
        assert contents(tree.path) == ORCHARD.files(1)
    publish(tmp_path, 5)
    assert not tree.path.exists()


def test_a_generation_that_is_used_up_while_it_is_opened_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, bases = fcntl.flock, iter((1, 2))

    def late(descriptor: int, operation: int) -> None:
        """Between the reader's look and his lock, what he looked at is superseded and becomes a standing tree."""
        for base in bases if operation & fcntl.LOCK_SH else ():
            publish(tmp_path, base)
        real(descriptor, operation)

    publish(tmp_path, 0)
    monkeypatch.setattr(fcntl, "flock", late)
    with open_tree(tmp_path) as tree:
        assert tree.generation == 3
        assert flaws(tree) == []


def test_settling_may_be_stopped_after_each_step(tmp_path: Path) -> None:
    orchard = Orchard(pages=900, changing=300)
    stopped = 0
    for base in range(8):
        publisher = Publisher(tmp_path, 1, 0)
        publisher.publish(orchard.draft(base))
        for taken, _ in enumerate(publisher.settle()):
            if taken == base:
                stopped += 1
                break
        with open_tree(tmp_path) as tree:
            assert contents(tree.path) == orchard.files(base + 1)
    assert stopped > 3


def test_settling_ends_when_a_newer_writer_comes(tmp_path: Path) -> None:
    orchard = Orchard(pages=900)
    older = Publisher(tmp_path, 1, 0)
    older.publish(orchard.draft(0))
    steps = older.settle()
    next(steps)
    Publisher(tmp_path, 2, 0).publish(orchard.draft(1))
    list(steps)
    with open_tree(tmp_path) as tree:
        assert contents(tree.path) == orchard.files(2)


def test_a_generation_is_on_the_disk_before_it_is_current(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Path, int, bool]] = []

    def spied(call: Callable[[Path], None]) -> Callable[[Path], None]:
        def sync(folder: Path) -> None:
            is_moved = (tmp_path / "generations" / f"{2:08d}.{1:012d}").is_dir()
            calls.append((call.__name__, folder, base_of(tmp_path), is_moved))
            call(folder)

        return sync

    publish(tmp_path, 0)
    monkeypatch.setattr(publishing, "sync_file_system", spied(sync_file_system))
    monkeypatch.setattr(publishing, "sync_folder", spied(sync_folder))
    publish(tmp_path, 1)
    assert calls == [("sync_file_system", tmp_path, 1, True), ("sync_folder", tmp_path, 2, True)]


def test_an_error_of_the_disk_is_one(tmp_path: Path) -> None:
    for sync in (sync_file_system, sync_folder):
        with pytest.raises(OSError, match="No such file") as raised:
            sync(tmp_path / "nothing")
        assert raised.value.errno == errno.ENOENT
