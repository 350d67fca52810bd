"""PushFile, with real files: whole or not at all, below what is allowed, and past no symbolic link."""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from windlass.testing import Harness, PayloadInvalid, Run
from windlass_hosts import placing

from tests.plugins.hosts.conftest import Open

TEXT = "server { listen 80; }\n"


async def push(harness: Harness, path: Path | str, content: str | None = TEXT, **asked: Any) -> Run:
    return await harness.run("PushFile", {"path": str(path), "content": content, **asked})


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(place: Path) -> list[str]:
    return sorted(os.listdir(place))


async def test_a_file_is_created_replaced_and_left_alone_and_each_is_said(opened: Open, place: Path) -> None:
    file = place / "site.conf"
    async with opened() as harness:
        first = await push(harness, file)
        assert file.read_text() == TEXT
        again = await push(harness, file)
        inode = file.stat().st_ino
        changed = await push(harness, file, "other")
    digest = hashlib.sha256(TEXT.encode()).hexdigest()
    first.assert_succeeded({"path": str(file), "done": "created", "bytes": 22, "sha256": digest, "backup": None})
    first.assert_stages(f"writing {file}").assert_step(f"created {file}: 22 B", sha256=digest)
    assert again.result["done"] == "unchanged"
    again.assert_step(f"{file} is already as it should be")
    assert (changed.result["done"], file.read_text()) == ("replaced", "other")
    assert file.stat().st_ino != inode, "it was written over in place: a reader may see half of it"
    assert names(place) == ["site.conf"]
    assert first.title == f"push {file}"


async def test_bytes_and_their_sum_arrive_as_they_were_sent(opened: Open, place: Path) -> None:
    content = bytes(range(256)) * 2048
    asked = {"content_base64": base64.b64encode(content).decode(), "sha256": hashlib.sha256(content).hexdigest()}
    async with opened() as harness:
        run = await harness.run("PushFile", {"path": f"{place}/blob", **asked})
        (await push(harness, place / "empty", "")).assert_succeeded()
    run.assert_succeeded()
    assert (place / "blob").read_bytes() == content
    assert (place / "empty").read_bytes() == b""


async def test_a_new_file_is_readable_and_an_old_one_keeps_its_mode_and_owner(opened: Open, place: Path) -> None:
    before = os.umask(0o077)
    try:
        async with opened() as harness:
            await push(harness, place / "new")
            old = place / "old"
            old.write_text("x")
            old.chmod(0o4750)
            if os.geteuid() == 0:
                os.chown(old, 1234, 2345)
            owner = (old.stat().st_uid, old.stat().st_gid)
            await push(harness, old)
            assert (await push(harness, old, mode="0640")).result["done"] == "replaced"
            assert (await push(harness, old, mode="640")).result["done"] == "unchanged"
    finally:
        os.umask(before)
    assert (mode_of(place / "new"), mode_of(old)) == (0o644, 0o640)
    assert (old.stat().st_uid, old.stat().st_gid) == owner


async def test_a_set_user_id_bit_does_not_survive_new_content(opened: Open, place: Path) -> None:
    tool = place / "tool"
    tool.write_text("x")
    tool.chmod(0o4755)
    async with opened() as harness:
        (await push(harness, tool)).assert_succeeded()
        with pytest.raises(PayloadInvalid, match="mode: '4755' is not taken; give three digits"):
            await push(harness, tool, mode="4755")
    assert mode_of(tool) == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_the_owner_is_set_by_name(opened: Open, place: Path) -> None:
    async with opened() as harness:
        (await push(harness, place / "a", owner="daemon")).assert_succeeded()
        (await push(harness, place / "b", owner="daemon:bin")).assert_succeeded()
        (await push(harness, place / "c", owner="nobody-here")).assert_failed("this host has no user 'nobody-here'")
        (await push(harness, place / "c", owner="root:no-group")).assert_failed("this host has no group 'no-group'")
    import grp
    import pwd

    daemon, bin_ = pwd.getpwnam("daemon").pw_uid, grp.getgrnam("bin").gr_gid
    assert (place / "a").stat().st_uid == daemon
    assert ((place / "b").stat().st_uid, (place / "b").stat().st_gid) == (daemon, bin_)
    assert names(place) == ["a", "b"]


async def test_a_backup_keeps_the_old_file_under_a_name_that_is_told(opened: Open, place: Path) -> None:
    file = place / "a"
    async with opened() as harness:
        assert (await push(harness, file, "one", backup=True)).result["backup"] is None
        runs = [await push(harness, file, text, backup=True) for text in ("two", "three", "three")]
    kept = [run.result["backup"] for run in runs]
    assert kept[2] is None, "nothing was replaced"
    assert [(place / Path(path).name).read_text() for path in kept[:2]] == ["one", "two"]
    assert len({*kept[:2]}) == 2
    runs[0].assert_step(f"the old file is {kept[0]}")
    assert file.read_text() == "three"


async def test_nothing_outside_of_the_allowed_directories_is_written(opened: Open, place: Path) -> None:
    async with opened() as harness:
        for path in (place.parent / "a", Path(f"{place}x") / "a", place, Path("/etc/passwd")):
            run = await push(harness, path)
            run.assert_failed(f"is below no directory of plugins.hosts.directories on this host; allowed: {place}")
    assert names(place) == []


@pytest.mark.parametrize(
    "path",
    [
        "relative",
        "/a/../b",
        "/a/./b",
        "/a//b",
        "/a/",
        "/",
        "",
        "/a/-rf",
        "/a b",
        "/a\0b",
        "/a\nb",
        "/é",
        "/a/*",
        "/" + "x" * 201,
    ],
)
async def test_a_path_that_means_more_than_itself_is_refused_at_enqueue(opened: Open, path: str) -> None:
    async with opened() as harness:
        with pytest.raises(PayloadInvalid):
            await push(harness, path)


async def test_no_symbolic_link_is_followed_wherever_it_stands(opened: Open, place: Path) -> None:
    secret = place.parent / "secret"
    secret.mkdir()
    (secret / "file").write_text("untouched")
    (place / "link").symlink_to(secret)
    (place / "file").symlink_to(secret / "file")
    (place / "dangling").symlink_to(secret / "new")
    (place.parent / "way").symlink_to(place)
    async with opened(directories=[str(place), f"{place.parent}/way"]) as harness:
        (await push(harness, place / "link" / "file")).assert_failed("/link is no directory, or a symbolic link")
        (await push(harness, f"{place.parent}/way/a")).assert_failed("/way is no directory, or a symbolic link")
        for name in ("file", "dangling"):
            (await push(harness, place / name)).assert_failed("is a symbolic link, and is left alone")
    assert (secret / "file").read_text() == "untouched"
    assert os.listdir(secret) == ["file"]
    assert names(place) == ["dangling", "file", "link"]


async def test_a_directory_that_becomes_a_link_meanwhile_leads_nowhere(
    opened: Open, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner, secret = place / "inner", tmp_path / "secret"
    inner.mkdir()
    secret.mkdir()
    write = placing._write

    def swaps(*asked: Any) -> None:
        inner.rename(place / "moved")
        inner.symlink_to(secret)
        write(*asked)

    monkeypatch.setattr(placing, "_write", swaps)
    async with opened() as harness:
        (await push(harness, inner / "a")).assert_succeeded()
    assert (os.listdir(secret), names(place / "moved")) == ([], ["a"])


async def test_what_is_no_regular_file_is_left_alone(opened: Open, place: Path) -> None:
    (place / "folder").mkdir()
    os.mkfifo(place / "pipe")
    async with opened() as harness:
        for name in ("folder", "pipe"):
            (await push(harness, place / name)).assert_failed("is no regular file, and is left alone")
        (await push(harness, place / "absent" / "a")).assert_failed(f"{place}/absent does not exist on this host")
        (await push(harness, place / "pipe" / "a")).assert_failed("is no directory")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"content": None}, "content, content_base64: give exactly one of them"),
        ({"content_base64": "eA=="}, "content, content_base64: give exactly one of them"),
        ({"content": None, "content_base64": "e?=="}, "content_base64: is no base64"),
        ({"content": "x" * (512 * 1024 + 1)}, "content: 524289 bytes, more than the 524288 that are taken"),
        ({"sha256": "00"}, "sha256: the content has "),
        ({"mode": "0999"}, "mode: '0999' is not taken"),
        ({"owner": "-x"}, "owner: '-x' is not taken"),
        ({"owner": "a:b:c"}, "owner: 'a:b:c' is not taken"),
        ({"path": "/a/.windlass-7"}, "names that begin with .windlass- are for files on their way"),
        ({"recursive": True}, "unknown field `recursive`"),
    ],
)
async def test_what_does_not_fit_is_refused_at_enqueue(opened: Open, asked: dict[str, Any], words: str) -> None:
    async with opened() as harness:
        with pytest.raises(PayloadInvalid) as refused:
            await harness.run("PushFile", {"path": "/a/b", "content": TEXT} | asked)
    assert words in refused.value.message


async def test_one_that_breaks_off_leaves_the_old_file_and_nothing_else(
    opened: Open, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = place / "a"
    file.write_text("old")
    full = OSError(28, "No space left on device")

    def breaks(*_: Any) -> None:
        raise full

    monkeypatch.setattr(os, "fchmod", breaks)
    async with opened() as harness:
        run = await push(harness, file)
    run.assert_retries("a can't be written: No space left on device")
    assert (file.read_text(), names(place)) == ("old", ["a"])


async def test_what_a_killed_attempt_left_on_its_way_is_gone_after_the_next(opened: Open, place: Path) -> None:
    async with opened() as harness:
        run = await push(harness, place / "a")
        leftover = place / f".windlass-{run.task + 1}"
        leftover.write_text("half")
        (await push(harness, place / "b")).assert_succeeded()
    assert names(place) == ["a", "b"]
