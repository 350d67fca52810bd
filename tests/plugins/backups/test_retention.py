"""Which backups go, and which stay whatever the limits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import windlass_backups
from windlass.testing import Harness
from windlass_backups.manifest import Database, Manifest, Verified, encode_manifest, read_manifest
from windlass_backups.retention import superfluous
from windlass_backups.settings import Target
from windlass_backups.shelf import Shelf, stamp_of

from tests.plugins.backups.place import Place

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)


def backup(days: float, *, good: bool | None = None, source: str = "main") -> Manifest:
    """One so many days old; `good` is what a restore test said, if there was one."""
    began = NOW - timedelta(days=days)
    return Manifest(
        backup=f"{source}/{stamp_of(began)}",
        source=source,
        target="disk",
        started=began,
        ended=began,
        raw=1,
        stored=1,
        sha256="",
        task=1,
        initiator="Scheduler",
        holds=Database("app", "18.6", "18.6", {}),
        verified=None if good is None else Verified(NOW, good, 2),
    )


FIVE = [backup(days) for days in (0, 1, 2, 3, 40)]


@pytest.mark.parametrize(
    ("backups", "limits", "ages"),
    [
        (FIVE, {}, []),
        (FIVE, {"keep": 5}, []),
        (FIVE, {"keep": 3}, [40, 3]),
        (FIVE, {"keep": 1}, [40, 3, 2, 1]),
        (FIVE, {"keep_days": 30}, [40]),
        (FIVE, {"keep_days": 2}, [40, 3]),
        (FIVE, {"keep": 4, "keep_days": 2.5}, [40, 3]),
        (FIVE, {"keep": 2, "keep_days": 1000}, [40, 3, 2]),
        ([backup(40), backup(50)], {"keep_days": 30}, [50]),
        ([backup(0, good=False), backup(1), backup(2)], {"keep": 1}, [2]),
        ([backup(0, good=False), backup(50, good=True), backup(60)], {"keep_days": 30}, [60]),
        ([backup(0, good=False), backup(1, good=False)], {"keep": 1}, []),
        ([], {"keep": 1}, []),
    ],
    ids=str,
)
def test_what_is_beyond_the_limits_goes_but_never_the_last_good_one(backups, limits, ages):
    going = superfluous(backups, Target(path="/b", **limits), NOW)
    assert [round((NOW - each.started) / timedelta(days=1)) for each, _ in going] == ages


def test_why_one_goes_is_said():
    going = superfluous(FIVE, Target(path="/b", keep=4, keep_days=2), NOW)
    assert [why for _, why in going] == ["there are 4 newer ones", "older than 2 days"]


def put(place: Place, manifest: Manifest) -> Path:
    folder = place.disk / manifest.source / manifest.stamp
    folder.mkdir(parents=True)
    (folder / manifest.file).write_bytes(b"x")
    (folder / "manifest.json").write_bytes(encode_manifest(manifest))
    return folder


async def test_old_ones_are_removed_after_a_success_each_with_a_step_and_what_is_not_ours_stays(place, tmp_path):
    (tmp_path / "home").mkdir()
    old = [put(place, backup(days, source="home")) for days in (100, 200, 300)]
    (old[2] / "a note of mine").touch()
    strange = place.disk / "home" / stamp_of(NOW - timedelta(days=400))
    strange.mkdir()
    another = put(place, backup(500, source="other"))
    targets = {"disk": {"path": str(place.disk), "keep": 2}}
    settings = place.settings({"home": {"type": "directory", "path": str(tmp_path / "home")}}, targets=targets)
    async with Harness(windlass_backups, settings=settings) as harness:
        run = await harness.run("Backup", {"source": "home"}, within=60)
    run.assert_succeeded().assert_stages("copying", "finishing", "removing old backups")
    gone = f"home/{old[1].name}"
    run.assert_step(f"removed {gone}: there are 2 newer ones")
    run.assert_step(f"could not remove home/{old[2].name}").assert_step("also holds a note of mine")
    assert run.result["removed"] == [gone]
    made = run.result["backup"].removeprefix("home/")
    assert place.shelf("home") == sorted([made, old[0].name, old[2].name, strange.name])
    assert another.exists(), "each source has its own"


async def test_nothing_is_removed_when_the_new_one_fails(place, tmp_path):
    old = [put(place, backup(days, source="home")) for days in (100, 200)]
    targets = {"disk": {"path": str(place.disk), "keep": 1}}
    settings = place.settings({"home": {"type": "directory", "path": str(tmp_path / "absent")}}, targets=targets)
    async with Harness(windlass_backups, settings=settings) as harness:
        (await harness.run("Backup", {"source": "home"}, within=60)).assert_retries("is the disk mounted?")
    assert place.shelf("home") == sorted(folder.name for folder in old)


@pytest.mark.parametrize(
    ("place_of_death", "whole", "partial"),
    [("backups.written", 1, 0), ("backups.kept", 2, 0), ("backups.leaving", 1, 1)],
)
async def test_a_crash_at_any_instant_leaves_a_whole_backup_or_a_partial(
    place, tmp_path, monkeypatch, place_of_death, whole, partial
):
    (tmp_path / "home").mkdir()
    put(place, backup(100, source="home"))
    targets = {"disk": {"path": str(place.disk), "keep": 1}}
    settings = place.settings({"home": {"type": "directory", "path": str(tmp_path / "home")}}, targets=targets)
    monkeypatch.setenv("WINDLASS_FAILPOINTS", f"{place_of_death}=exit")
    async with Harness(windlass_backups, settings=settings) as harness:
        (await harness.run("Backup", {"source": "home"}, within=60)).assert_retries("the worker process exited")
        listed = await harness.call("list")
    assert len(listed["backups"]) == whole
    assert len([name for name in place.shelf("home") if name.endswith(".partial")]) == partial
    monkeypatch.delenv("WINDLASS_FAILPOINTS")
    async with Harness(windlass_backups, settings=settings) as harness:
        run = await harness.run("Backup", {"source": "home"}, within=60)
    assert place.shelf("home") == [run.assert_succeeded().result["backup"].removeprefix("home/")]


def test_a_manifest_is_written_anew_as_a_whole(place):
    made = backup(1)
    put(place, made)
    shelf = Shelf("disk", str(place.disk), "main")
    changed = backup(1, good=True)
    shelf.note(changed)
    assert shelf.read(made.stamp) == changed
    assert sorted(path.name for path in shelf.folder(made.stamp).iterdir()) == ["main.dump.zst", "manifest.json"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"backup": 7}', "\udcff"])
def test_what_is_no_manifest_is_no_backup(tmp_path, text):
    (tmp_path / "manifest.json").write_bytes(text.encode(errors="surrogateescape"))
    assert read_manifest(tmp_path) is None


def test_a_manifest_that_was_moved_to_another_folder_is_not_that_backup(place):
    folder = put(place, backup(1))
    folder.rename(folder.with_name(stamp_of(NOW)))
    assert Shelf("disk", str(place.disk), "main").read(stamp_of(NOW)) is None
