"""Backups of real trees: all that can be in one, what changes while it is read, and what is left out."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import windlass_backups
from windlass.testing import Harness, Rung
from windlass_backups.archiving import archive
from windlass_backups.packing import unpacking
from windlass_backups.stopping import Stop
from windlass_backups.trouble import Trouble
from windlass_backups.walking import Entry, Tree

from tests.plugins.backups.place import Place, warm
from tests.plugins.backups.recording import Recording

ROOT = Path(__file__).parents[3]
WITHIN = 60


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """One of everything."""
    root = tmp_path / "home"
    (root / "deep" / "er" / "still").mkdir(parents=True)
    (root / "hello.txt").write_text("hello\n")
    (root / "hello.txt").chmod(0o751)
    os.utime(root / "hello.txt", ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    (root / "empty").touch()
    (root / "deep" / "er" / "still" / ("long" * 60)).write_bytes(os.urandom(700_000))
    (root / "a name\nof two lines").write_text("odd")
    (root / os.fsdecode(b"not \xff utf-8")).write_text("odd too")
    (root / "Grüße ☃").write_text("unicode")
    (root / "absolute").symlink_to("/etc/hostname")
    (root / "dangling").symlink_to("nowhere")
    (root / "to a folder").symlink_to("deep")
    os.link(root / "hello.txt", root / "deep" / "the same")
    with (root / "sparse").open("wb") as file:
        file.truncate(3_000_000)
        file.seek(1_500_000)
        file.write(b"in the middle")
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(root)  # the path of a socket is short
        try:
            listener.bind("socket")
        finally:
            os.chdir(ROOT)
    return root


def source(place: Place, tree: Path, **more: Any) -> dict[str, Any]:
    return place.settings({"home": {"type": "directory", "path": str(tree)} | more})


def unpacked(place: Place, into: Path) -> Path:
    """What a person gets who unpacks the backup with any tar."""
    with (
        unpacking(place.folder("home") / "home.tar.zst") as packed,
        tarfile.open(fileobj=packed, mode="r|") as tar,
    ):
        tar.extractall(into, filter="fully_trusted")
    return into


def names(place: Place, tmp_path: Path) -> set[str]:
    there = unpacked(place, tmp_path / "unpacked")
    return {str(path.relative_to(there)) for path in there.rglob("*")}


async def test_a_tree_comes_back_as_it_was_and_is_proved_by_unpacking_it(place, tree, tmp_path):
    async with Harness(windlass_backups, settings=source(place, tree)) as harness:
        run = await harness.run("Backup", {"source": "home"}, within=WITHIN)
        proof = await harness.run("VerifyBackup", {"source": "home"}, within=WITHIN)
    run.assert_succeeded().assert_stages("copying", "finishing").assert_step("8 files, 4 folders, 3.7 MB")
    run.assert_step("pipe is no file, folder or symlink: left out").assert_step("socket is no file")
    assert (run.result["files"], run.result["special"], run.result["unreadable"]) == (8, 2, 0)
    back = unpacked(place, tmp_path / "back")
    kept = {path.relative_to(tree) for path in tree.rglob("*")} - {Path("pipe"), Path("socket")}
    assert {path.relative_to(back) for path in back.rglob("*")} == kept
    for path in kept:
        assert looks(back / path) == looks(tree / path), path
    assert (back / "hello.txt").stat().st_ino == (back / "deep" / "the same").stat().st_ino
    proof.assert_succeeded().assert_stages("checking the checksum", "unpacking").assert_step("8 of 8 files unpacked")
    assert os.listdir(place.scratch) == []


def looks(path: Path) -> tuple[Any, ...]:
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        return ("link", os.readlink(path))
    content = path.read_bytes() if stat.S_ISREG(facts.st_mode) else None
    # A float of seconds holds a quarter of a microsecond.
    return (content, facts.st_mode, facts.st_uid, facts.st_gid, round(facts.st_mtime, 5))


@pytest.mark.parametrize(
    ("exclude", "gone"),
    [
        (["*.txt"], {"hello.txt"}),
        (["deep"], {"deep", "deep/er", "deep/er/still"}),
        (["deep/er/"], {"deep/er", "deep/er/still"}),
        (["still/"], {"deep/er/still"}),
        (["/hello.txt"], {"hello.txt"}),
        (["er/still"], set()),
        (["*Grüße*", "empty"], {"Grüße ☃", "empty"}),
    ],
)
def test_what_a_glob_matches_is_left_out_with_all_that_is_in_it(tree, exclude, gone):
    every = {entry.path for entry in walk(tree, []) if len(entry.path) < 100}
    some = {entry.path for entry in walk(tree, exclude) if len(entry.path) < 100}
    assert every - some - {"deep/the same"} == gone


def walk(tree: Path, exclude: list[str], apart: tuple[str, ...] = ()) -> list[Entry]:
    return list(Tree(str(tree), exclude, apart, never).entries())


def never(path: str, what: str) -> None:
    raise AssertionError(f"{path} {what}")


async def test_backups_are_not_backed_up(place, tmp_path):
    (tmp_path / "wanted").write_text("this")
    async with Harness(windlass_backups, settings=source(place, tmp_path, exclude=["scratch"])) as harness:
        (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
    assert names(place, tmp_path) == {"wanted"}


# --- what changes meanwhile


def archived(tree: Path, tmp_path: Path) -> tuple[Any, list[str]]:
    """The facts of an archive made here, and its steps."""
    ctx = Recording()
    paths = (tmp_path / "a.tar.zst", tmp_path / "index")
    _, facts = archive(ctx, Stop(ctx.cancelled), str(tree), [], [], paths, 1)
    return facts, ctx.steps


def shortened(file: Path) -> None:
    file.write_text("shorter")


def lengthened(file: Path) -> None:
    file.write_text("much longer" * 1000)


def touched(file: Path) -> None:
    file.touch()


@pytest.mark.parametrize("meddle", [shortened, lengthened, touched])
def test_a_file_that_changes_while_it_is_read_is_named(tmp_path, monkeypatch, meddle):
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "file"
    file.write_text("as it was at first")
    os.utime(file, (1, 1))

    class Meddled(Tree):
        def entries(self):
            for entry in super().entries():
                if entry.path == "file":
                    meddle(file)
                yield entry

    monkeypatch.setattr("windlass_backups.archiving.Tree", Meddled)
    facts, steps = archived(tmp_path / "home", tmp_path)
    assert facts.changed == 1
    assert steps == ["file changed while it was read: its copy may mix old and new"]
    with unpacking(tmp_path / "a.tar.zst") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        assert [member.name for member in tar] == [".", "file"], "the archive is whole all the same"


def test_what_vanishes_or_turns_into_a_symlink_while_the_tree_is_walked_leads_nowhere(tmp_path):
    root, outside = tmp_path / "home", tmp_path / "outside"
    (root / "folder").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret").write_text("not ours")
    (root / "gone").write_text("gone soon")
    (root / "zz").write_text("stays")
    problems: list[tuple[str, str]] = []
    entries = Tree(str(root), [], [], lambda path, what: problems.append((path, what))).entries()
    assert next(entries).path == ""
    assert next(entries).path == "folder"
    (root / "gone").unlink()
    (root / "folder").rename(tmp_path / "elsewhere")
    (root / "folder").symlink_to(outside)
    assert [entry.path for entry in entries] == ["zz"]
    assert problems == [("gone", "vanished")]


def test_a_name_that_became_a_link_after_it_was_seen_is_not_followed(tmp_path, monkeypatch):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file").write_text("ours")
    (tmp_path / "secret").write_text("not ours")
    problems: list[tuple[str, str]] = []
    seen = os.stat

    def swap(name, *arguments, **more):
        facts = seen(name, *arguments, **more)
        if name == "file":
            (tmp_path / "home" / "file").unlink()
            (tmp_path / "home" / "file").symlink_to(tmp_path / "secret")
        return facts

    monkeypatch.setattr(os, "stat", swap)
    tree = Tree(str(tmp_path / "home"), [], [], lambda path, what: problems.append((path, what)))
    assert [entry.path for entry in tree.entries()] == [""]
    assert problems == [("file", "unreadable")]


def test_what_can_not_be_read_is_named_and_counted_and_the_rest_is_kept(open_folder):
    root = open_folder / "home"
    (root / "closed").mkdir(parents=True)
    (root / "closed" / "inside").write_text("x")
    (root / "open").write_text("x")
    (root / "shut").write_text("x")
    (root / "closed").chmod(0)
    (root / "shut").chmod(0)
    facts, steps = as_nobody(lambda: archived(root, open_folder))
    (root / "closed").chmod(0o700)
    assert (facts.files, facts.folders, facts.unreadable) == (1, 1, 2)
    assert steps == [f"{name} can't be read: it is NOT in the backup" for name in ("closed", "shut")]


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that everybody may write to: pytest's own are for nobody else."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def as_nobody(call: Callable[[], Any]) -> Any:
    """What `call` returns in a thread that may read what everybody may: root may read all."""
    answers: list[Any] = []

    def run() -> None:
        if os.geteuid() == 0:
            nobody = ctypes.c_long(65534)
            # By the system call: the C library would change every thread.
            assert ctypes.CDLL(None).syscall({"x86_64": 117, "aarch64": 147}[os.uname().machine], *[nobody] * 3) == 0
        answers.append(call())

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return answers[0]


def test_a_source_that_is_not_there_is_trouble_and_no_empty_backup(tmp_path):
    with pytest.raises(Trouble, match=r"can't be read: No such file or directory; is the disk mounted\?"):
        archived(tmp_path / "absent", tmp_path)


# --- proofs that fail


@pytest.mark.parametrize(
    ("file", "message"),
    [("home.tar.zst", "the SHA-256 of home.tar.zst is"), ("index.jsonl.zst", "the SHA-256 of index.jsonl.zst is")],
)
async def test_one_byte_that_changed_is_found_in_the_archive_and_in_its_index(place, tree, file, message):
    async with Harness(windlass_backups, settings=source(place, tree)) as harness:
        (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
        place.flip_a_byte("home", file)
        proof = await harness.run("VerifyBackup", {"source": "home"}, within=WITHIN)
    proof.assert_failed(message)
    assert place.manifest("home")["verified"]["ok"] is False


@pytest.mark.parametrize("change", ["other content", "a longer file", "a file less", "a file more"])
async def test_an_archive_that_is_not_what_the_index_lists_is_told_entry_by_entry(place, tmp_path, change):
    root = tmp_path / "home"
    root.mkdir()
    (root / "a").write_text("aaa")
    (root / "b").write_text("bbb")
    async with Harness(windlass_backups, settings=source(place, root)) as harness:
        (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
        first = place.folder("home")
        index, facts = (first / "index.jsonl.zst").read_bytes(), place.manifest("home")["holds"]
        first.rename(tmp_path / "first")
        match change:
            case "other content":
                (root / "b").write_text("bcb")
            case "a longer file":
                (root / "b").write_text("bbbb")
            case "a file less":
                (root / "b").unlink()
            case "a file more":
                (root / "c").write_text("ccc")
        (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
        (place.folder("home") / "index.jsonl.zst").write_bytes(index)
        place.change_manifest("home", index_sha256=facts["index_sha256"], files=facts["files"])
        proof = await harness.run("VerifyBackup", {"source": "home"}, within=WITHIN)
    said = {
        "other content": "b has another content than the index says",
        "a longer file": "b has 4 bytes; the index says 3",
        "a file less": "b is in the index only",
        "a file more": "c is in the archive only",
    }
    proof.assert_failed(said[change])


# --- interrupts


async def test_an_interrupt_in_the_middle_of_a_large_file_leaves_nothing(place, tmp_path):
    (tmp_path / "home").mkdir()
    with (tmp_path / "home" / "large").open("wb") as file:
        file.truncate(200_000_000_000)  # takes no room, and minutes to read
    async with Harness(windlass_backups, settings=source(place, tmp_path / "home")) as harness:
        await warm(harness)
        run = await harness.run("Backup", {"source": "home"}, interrupt_after=1.0, within=WITHIN)
    run.assert_canceled(by=Rung.ASKED)
    assert run.progress[-1].current > 0
    assert run.seconds < 5
    assert place.shelf("home") == []


async def test_an_interrupt_while_unpacking_leaves_no_scratch_folder(place, tmp_path):
    (tmp_path / "home").mkdir()
    with (tmp_path / "home" / "large").open("wb") as file:
        file.truncate(500_000_000)
    async with Harness(windlass_backups, settings=source(place, tmp_path / "home")) as harness:
        (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
        run = await harness.run("VerifyBackup", {"source": "home"}, interrupt_at="unpacking", within=WITHIN)
    run.assert_canceled(by=Rung.ASKED)
    assert os.listdir(place.scratch) == []


async def test_the_scratch_folder_of_a_dead_server_is_swept_and_one_in_use_is_not(place, tmp_path):
    (tmp_path / "home").mkdir()
    dead, used, other = (place.scratch / name for name in ("windlass-verify-8-1", "windlass-verify-9-1", "others"))
    for folder in (dead, used, other):
        folder.mkdir()
        (folder / "file").touch()
    descriptor = os.open(used, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    try:
        async with Harness(windlass_backups, settings=source(place, tmp_path / "home")) as harness:
            (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
            (await harness.run("VerifyBackup", {"source": "home"}, within=WITHIN)).assert_succeeded()
    finally:
        os.close(descriptor)
    assert sorted(os.listdir(place.scratch)) == ["others", "windlass-verify-9-1"]


# --- the target


async def test_a_target_that_is_not_mounted_is_not_written_to(place, tree):
    place.disk.rmdir()
    async with Harness(windlass_backups, settings=source(place, tree)) as harness:
        run = await harness.run("Backup", {"source": "home"}, within=WITHIN)
    run.assert_retries(f"target disk: there is no folder {place.disk}; is the disk mounted?")
    assert not place.disk.exists()


FULL = """
import asyncio, json, sys, os
import windlass_backups
from windlass.testing import Harness

async def main():
    async with Harness(windlass_backups, settings=json.loads(sys.argv[1])) as harness:
        run = await harness.run("Backup", {"source": "home"}, within=60)
    print(json.dumps([run.verdict.name, run.message, os.listdir("/mnt/home")]))

asyncio.run(main())
"""


@pytest.mark.needs(program="bwrap", package="bubblewrap")
def test_a_full_target_is_a_failure_that_says_so_and_leaves_nothing(place, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "noise").write_bytes(os.urandom(3_000_000))
    settings = source(place, tmp_path / "home")
    settings["backups"]["targets"]["disk"]["path"] = "/mnt"
    confined = ["bwrap", "--dev-bind", "/", "/", "--size", "1000000", "--tmpfs", "/mnt", "--chdir", str(ROOT)]
    command = [*confined, sys.executable, "-c", FULL, json.dumps(settings)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    verdict, message, left = json.loads(ended.stdout)
    assert verdict == "FAILED"
    assert message.startswith("target disk: /mnt/home is full: No space left on device after ")
    assert "make room, or keep fewer backups" in message
    assert left == []


async def test_an_index_that_is_gone_is_damage(place, tree):
    async with Harness(windlass_backups, settings=source(place, tree)) as harness:
        (await harness.run("Backup", {"source": "home"}, within=WITHIN)).assert_succeeded()
        (place.folder("home") / "index.jsonl.zst").unlink()
        proof = await harness.run("VerifyBackup", {"source": "home"}, within=WITHIN)
    proof.assert_failed("index.jsonl.zst is not there")
