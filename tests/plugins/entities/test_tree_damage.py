"""Folders that somebody damaged or that can't be used: what is said, and how it goes on."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from windlass_entities.tree import Draft, NoTree, Publisher, TreeTrouble, base_of, open_tree, publishing

from tests.plugins.entities.orchard import Orchard, contents, flaws

ORCHARD = Orchard()
PAGE = "public/asns/10.json"


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests lose no power, and the disk may be busy."""
    monkeypatch.setattr(publishing, "sync_file_system", lambda folder: None)
    monkeypatch.setattr(publishing, "sync_folder", lambda folder: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three generations, settled."""
    for base in range(3):
        publish(tmp_path, ORCHARD.draft(base))
    return tmp_path


def publish(root: Path, draft: Draft, fence: int = 1) -> None:
    publisher = Publisher(root, fence, 0)
    publisher.publish(draft)
    list(publisher.settle())


def held(root: Path) -> dict[str, bytes]:
    with open_tree(root) as tree:
        return contents(tree.path)


def current(root: Path) -> Path:
    with open_tree(root) as tree:
        return tree.path


def trees(root: Path) -> list[Path]:
    """Those that may become current."""
    return list(trees_of(root).iterdir())


def trees_of(root: Path) -> Path:
    return root / "writers" / f"{1:012d}" / "trees"


def take_away_the_generation(root: Path) -> None:
    shutil.rmtree(current(root))


def take_away_current(root: Path) -> None:
    (root / "current").unlink()


@pytest.mark.parametrize("damage", [take_away_the_generation, take_away_current])
def test_a_tree_that_was_taken_away_is_published_whole_under_the_next_number(
    root: Path, damage: Callable[[Path], None]
) -> None:
    damage(root)
    with pytest.raises(NoTree), open_tree(root):
        pass
    assert base_of(root) == 3
    with pytest.raises(NoTree, match="publish a whole tree"):
        publish(root, ORCHARD.draft(3))
    assert base_of(root) == 3
    publish(root, ORCHARD.whole(3))
    assert held(root) == ORCHARD.files(4)
    publish(root, ORCHARD.draft(4))
    assert held(root) == ORCHARD.files(5)


def test_a_folder_in_the_place_of_a_file_costs_no_descriptor(root: Path) -> None:
    with open_tree(root) as tree:
        (tree.path / PAGE).unlink(missing_ok=True)
        (tree.path / PAGE).mkdir()
        before = None
        for _ in range(3):
            with pytest.raises(OSError, match="not a plain file"):
                tree.read(PAGE)
            before = before or len(os.listdir("/proc/self/fd"))
        assert len(os.listdir("/proc/self/fd")) == before


def folder_as_current(root: Path) -> None:
    (root / "current").unlink()
    (root / "current").mkdir()


def strange_current(root: Path) -> None:
    (root / "current").unlink()
    (root / "current").symlink_to("/etc")


@pytest.mark.parametrize(
    ("damage", "words"),
    [(folder_as_current, "is no symlink, so it was not made here: move it away"), (strange_current, "points to /etc")],
)
def test_a_current_that_is_not_ours_is_left_alone_and_named(
    root: Path, damage: Callable[[Path], None], words: str
) -> None:
    damage(root)
    for attempt in (lambda: publish(root, ORCHARD.whole(3)), lambda: held(root), lambda: base_of(root)):
        with pytest.raises(TreeTrouble, match=words):
            attempt()


def lose_all(changes: Path) -> None:
    for file in changes.iterdir():
        file.unlink()


def tear(changes: Path) -> None:
    for file in changes.iterdir():
        file.write_bytes(file.read_bytes()[:-5])


def swap(changes: Path) -> None:
    """Each tells of another generation."""
    files = sorted(changes.iterdir())
    for file, content in zip(files, [file.read_bytes() for file in [*files[1:], files[0]]], strict=True):
        file.write_bytes(content)


def lead_out(changes: Path) -> None:
    for file in changes.iterdir():
        file.write_bytes(file.read_bytes().replace(b"public/version.json", b"public/../../../../x"))


@pytest.mark.parametrize("damage", [lose_all, tear, swap, lead_out])
@pytest.mark.parametrize("settle", [True, False], ids=["settled", "never settled"])
def test_without_its_changes_a_standing_tree_is_thrown_away(
    tmp_path: Path, damage: Callable[[Path], None], settle: bool
) -> None:
    publisher = Publisher(tmp_path, 1, 0)
    outside = tmp_path / "x"
    outside.write_text("where changes that lead out would lead")
    for base in range(6):
        publisher.publish(ORCHARD.draft(base))
        if base == 3:
            damage(tmp_path / "writers" / f"{1:012d}" / "changes")
        if settle:
            list(publisher.settle())
        assert held(tmp_path) == ORCHARD.files(base + 1)
    assert outside.exists()


def test_after_a_repair_no_damaged_tree_is_used_again(root: Path) -> None:
    untouched = "public/asns/11.json"
    assert ORCHARD.files(3)[untouched] == ORCHARD.files(4)[untouched] == ORCHARD.files(6)[untouched]
    for tree in [current(root), *trees(root)]:
        (tree / untouched).unlink()
    draft = ORCHARD.draft(3)
    whole = ORCHARD.files(4)
    publish(root, Draft(3, {**draft.files, untouched: whole[untouched]}, draft.gone, is_repair=True))
    for base in range(4, 7):
        assert held(root) == ORCHARD.files(base)
        publish(root, ORCHARD.draft(base))
    assert {tree.name[:8] for tree in trees(root)} == {f"{7:08d}"}
    assert all(contents(tree) == ORCHARD.files(7) for tree in trees(root))


def test_a_page_that_somebody_removed_does_not_stop_publications(root: Path) -> None:
    changed = next(path for path in ORCHARD.draft(3).files if path in ORCHARD.files(3) and "asns/" in path)
    (current(root) / changed).unlink()
    (current(root) / PAGE).unlink(missing_ok=True)
    for base in range(3, 6):
        publish(root, ORCHARD.draft(base))
    with open_tree(root) as tree:
        assert set(contents(tree.path)) ^ set(ORCHARD.files(6)) <= {changed, PAGE}


def folder_for_a_file(tree: Path, outside: Path) -> None:
    changed = next(path for path in ORCHARD.draft(3).files if path in ORCHARD.files(3) and "asns/" in path)
    (tree / changed).unlink()
    (tree / changed).mkdir()
    (tree / changed / outside.name).touch()


def link_for_a_folder(tree: Path, outside: Path) -> None:
    shutil.rmtree(tree / "public/countries")
    (tree / "public/countries").symlink_to(outside)


@pytest.mark.parametrize("damage", [folder_for_a_file, link_for_a_folder])
@pytest.mark.parametrize("settle", [True, False], ids=["seen when settling", "seen when publishing"])
def test_a_standing_tree_that_hands_have_changed_is_no_hindrance_and_nothing_is_written_through_it(
    root: Path, damage: Callable[[Path, Path], None], settle: bool
) -> None:
    outside = root / "outside"
    outside.mkdir()
    if settle:
        Publisher(root, 1, 3600).publish(ORCHARD.draft(3))
        (root / "generations").joinpath(f"{3:08d}.{1:012d}").rename(trees_of(root) / f"{3:08d}.{1:012d}.5")
    for tree in trees(root):
        damage(tree, outside)
    if settle:
        list(Publisher(root, 1, 3600).settle())
    elif damage is link_for_a_folder:
        with pytest.raises(TreeTrouble, match="has become a symlink"):
            publish(root, ORCHARD.draft(3))
    for base in range(4 if settle else 3, 6):
        publish(root, ORCHARD.draft(base))
        assert held(root) == ORCHARD.files(base + 1)
    assert list(outside.iterdir()) == []


def test_nothing_is_written_through_a_symlink_in_the_current_tree(root: Path) -> None:
    outside = root / "outside"
    shutil.move(current(root) / "public/countries", outside)
    (current(root) / "public/countries").symlink_to(outside)
    with open_tree(root) as tree:
        assert any("Not a directory" in flaw for flaw in flaws(tree))
    before = contents(outside)
    draft = ORCHARD.draft(3)
    publish(root, Draft(3, {**draft.files, **ORCHARD.files(4)}, draft.gone, is_repair=True))
    assert contents(outside) == before
    assert held(root) == ORCHARD.files(4)


def test_a_root_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TreeTrouble, match=r"there is no folder .*/nothing: make it, or is the disk not mounted\?"):
        publish(tmp_path / "nothing", ORCHARD.draft(0))


def refuse(code: int) -> Callable[..., None]:
    def refused(*args: object, **named: object) -> None:
        raise OSError(code, os.strerror(code), str(args[0]))

    return refused


def test_a_file_system_without_hard_links_is_refused_before_anything_is_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", refuse(errno.EOPNOTSUPP))
    with pytest.raises(TreeTrouble, match=r"no hard links or no symlinks .* such as ext4 or XFS"):
        publish(tmp_path, ORCHARD.draft(0))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def elsewhere() -> Iterator[Path]:
    """A folder on another file system, as Linux always has one."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    yield folder
    shutil.rmtree(folder)


def test_a_file_staged_on_another_file_system_is_refused(root: Path, elsewhere: Path) -> None:
    assert elsewhere.stat().st_dev != root.stat().st_dev
    (elsewhere / "page").write_bytes(b"page")
    with pytest.raises(TreeTrouble, match=r"is not on the file system of .* stage files below"):
        publish(root, Draft(3, {PAGE: elsewhere / "page"}))
    assert held(root) == ORCHARD.files(3)
    publish(root, ORCHARD.draft(3))


@pytest.mark.parametrize("call", ["link", "unlink", "rename", "symlink", "open", "mkdir"])
@pytest.mark.parametrize("after", [0, 1, 10])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_an_error_in_the_middle_leaves_the_old_generation_and_the_next_attempt_works(
    root: Path, monkeypatch: pytest.MonkeyPatch, call: str, after: int, code: int
) -> None:
    before = {path for path in root.rglob("*") if "writers" not in path.parts}
    with monkeypatch.context() as patch:
        fail_after(patch, call, after, code)
        try:
            Publisher(root, 1, 0).publish(ORCHARD.draft(3))
        except TreeTrouble as error:
            words = {errno.ENOSPC: "no room left", errno.EROFS: "can't be written"}
            assert words[code] in str(error)  # noqa: PT017 - not every call comes often enough to fail
            is_published = False
        else:
            is_published = True
    if not is_published:
        assert held(root) == ORCHARD.files(3)
        assert {path for path in root.rglob("*") if "writers" not in path.parts} <= before
        publish(root, ORCHARD.draft(3), fence=2)
    assert held(root) == ORCHARD.files(4)


def fail_after(patch: pytest.MonkeyPatch, call: str, after: int, code: int) -> None:
    real, calls = getattr(os, call), iter(range(after))

    def failing(*args: object, **named: object) -> object:
        if next(calls, None) is None:
            raise OSError(code, os.strerror(code), str(args[0]))
        return real(*args, **named)

    patch.setattr(os, call, failing)


def test_a_root_that_belongs_to_somebody_else_is_named() -> None:
    root = Path(tempfile.mkdtemp())
    try:
        root.chmod(0o555)
        with (
            as_somebody(),
            pytest.raises(TreeTrouble, match=r"can't be written .* give it to the user that runs workers"),
        ):
            publish(root, ORCHARD.draft(0))
    finally:
        shutil.rmtree(root)


class as_somebody:  # noqa: N801 - reads as a phrase
    """As a user without rights, where the tests run as one with all of them."""

    def __enter__(self) -> None:
        self._id = os.geteuid()
        if not self._id:
            os.seteuid(65534)

    def __exit__(self, *_: object) -> None:
        os.seteuid(self._id)
