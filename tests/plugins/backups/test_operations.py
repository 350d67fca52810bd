"""What operators do with backups, and what the overview shows of them."""

from __future__ import annotations

from datetime import timedelta
from itertools import chain

import pytest
import windlass_backups
from msgspec.structs import replace
from windlass import Role
from windlass.testing import ArgumentInvalid, Harness, OperationRejected, RoleTooLow
from windlass_backups import BackupsSettings
from windlass_backups.health import described, standings
from windlass_backups.manifest import Tree
from windlass_backups.settings import DirectorySource, Source, Target

from tests.plugins.backups.test_retention import NOW, backup, put

SOURCES = {"main": {"type": "directory", "path": "/m"}, "home": {"type": "directory", "path": "/h"}}


@pytest.fixture
def settings(place):
    (place.path / "tape").mkdir()
    return place.settings(SOURCES, targets={"tape": {"path": str(place.path / "tape")}})


async def test_backups_are_listed_newest_first_and_page_by_page(place, settings):
    for days in range(5):
        put(place, backup(days))
        put(place, backup(days + 0.5, source="home", good=days != 2))
    (place.disk / "main" / "2020-01-01T00-00-00.000Z").mkdir()
    async with Harness(windlass_backups, settings=settings) as harness:
        whole = await harness.call("list", role=Role.VIEWER)
        pages, after = [], ""
        for _ in range(5):
            page = await harness.call("list", {"limit": 2, "after": after})
            pages.append([each["backup"] for each in page["backups"]])
            after = page["next"]
        of_home = await harness.call("list", {"source": "home"})
        of_tape = await harness.call("list", {"target": "tape"})
    names = [each["backup"] for each in whole["backups"]]
    assert names == [f"{s}/{backup(d + (0.5 if s == 'home' else 0)).stamp}" for d in range(5) for s in ("main", "home")]
    assert list(chain(*pages)) == names
    assert (after, whole["next"]) == ("", "")
    assert {each["source"] for each in of_home["backups"]} == {"home"}
    assert [each["bad"] for each in of_home["backups"]] == [False, False, True, False, False]
    assert of_tape["backups"] == []


async def test_a_page_goes_on_where_the_last_one_ended_although_that_backup_is_gone(place, settings):
    for days in range(4):
        put(place, backup(days))
    async with Harness(windlass_backups, settings=settings) as harness:
        first = await harness.call("list", {"limit": 2})
        await harness.call("delete", {"backup": first["backups"][1]["backup"]})
        second = await harness.call("list", {"limit": 2, "after": first["next"]})
    assert [each["backup"] for each in second["backups"]] == [backup(2).backup, backup(3).backup]


async def test_one_is_shown_and_deleted_but_the_last_good_one_only_on_insistence(place, settings):
    put(place, backup(1))
    put(place, backup(0, good=False))
    async with Harness(windlass_backups, settings=settings) as harness:
        shown = await harness.call("show", {"backup": backup(1).backup}, role=Role.VIEWER)
        with pytest.raises(RoleTooLow):
            await harness.call("delete", {"backup": backup(1).backup}, role=Role.SUBMITTER)
        with pytest.raises(OperationRejected, match="is the last good backup of main on disk"):
            await harness.call("delete", {"backup": backup(1).backup})
        bad = await harness.call("delete", {"backup": backup(0).backup})
        gone = await harness.call("delete", {"backup": backup(1).backup, "even_the_last": True})
        with pytest.raises(OperationRejected, match=r"there is no main/.* in disk, tape"):
            await harness.call("show", {"backup": backup(1).backup})
    assert (shown["source"], shown["holds"]["type"]) == ("main", "postgres")
    assert (bad["backup"], gone["target"]) == (backup(0).backup, "disk")
    assert place.shelf("main") == []


async def test_one_that_is_in_two_targets_needs_its_target_named(place, settings):
    folder = put(place, backup(1))
    copy = place.path / "tape" / "main" / folder.name
    copy.mkdir(parents=True)
    (copy / "manifest.json").write_bytes((folder / "manifest.json").read_bytes())
    async with Harness(windlass_backups, settings=settings) as harness:
        with pytest.raises(OperationRejected, match="is in disk, tape; name one of them"):
            await harness.call("show", {"backup": backup(1).backup})
        assert await harness.call("show", {"backup": backup(1).backup, "target": "tape"})


async def test_run_and_verify_make_tasks_of_what_there_is(place, settings):
    put(place, backup(0))
    async with Harness(windlass_backups, settings=settings) as harness:
        await harness.call("run", {"source": "main", "target": "disk"})
        await harness.call("verify", {"source": "main"})
        with pytest.raises(OperationRejected, match="did you mean 'main'"):
            await harness.call("run", {"source": "mian"})
        with pytest.raises(OperationRejected, match="there is no backup of home yet"):
            await harness.call("verify", {"source": "home"})
        with pytest.raises(ArgumentInvalid):
            await harness.call("list", {"limit": 0})
        made = [(each.kind, each.payload) for each in harness.made]
    assert [kind for kind, _ in made] == ["Backup", "VerifyBackup"]
    assert made[0][1] == {"source": "main", "target": "disk"}


# --- health


def section(place, *manifests, every="24h"):
    for manifest in manifests:
        put(place, manifest)
    sources: dict[str, Source] = {"main": DirectorySource(path="/m", every=every)}
    settings = BackupsSettings(sources=sources, targets={"disk": Target(path=str(place.disk))})
    return described(standings(settings), NOW, settings)


@pytest.mark.parametrize(
    ("manifests", "every", "value", "alarming"),
    [
        ([], "24h", "no good backup", True),
        ([], "", "no good backup", False),
        ([backup(1), backup(3)], "24h", "24 h old, 1 bytes, not proved", False),
        ([backup(2.1)], "24h", "2 d old, 1 bytes, not proved, overdue", True),
        ([backup(2.1)], "", "2 d old, 1 bytes, not proved", False),
        ([backup(2.1, good=True)], "7d", "2 d old, 1 bytes, proved 0 s ago", False),
        ([backup(0, good=False), backup(1)], "24h", "24 h old, 1 bytes, not proved", False),
        ([backup(0, good=False)], "24h", "no good backup", True),
    ],
    ids=str,
)
def test_health_tells_the_last_good_backup_of_each_source_and_what_is_overdue(place, manifests, every, value, alarming):
    told = section(place, *manifests, every=every)
    (line,) = told.lines
    assert (line.name, line.value, line.is_alarming) == ("main on disk", value, alarming)
    calm = "1 up to date" if manifests else "1 of 1 without a backup yet"
    assert told.summary == ("1 of 1 needs a look" if alarming else calm)
    assert told.data[0]["overdue"] is alarming


def test_a_tree_that_could_not_be_read_as_a_whole_needs_a_look(place):
    holds = Tree("/m", 1, 1, 0, 1, 0, 0, 0, unreadable=3, index_sha256="")
    told = section(place, replace(backup(0.1), holds=holds, started=NOW - timedelta(hours=2.4)))
    assert told.summary == "1 of 1 needs a look"
    assert "3 unreadable" in told.lines[0].value


async def test_the_plugin_says_so_in_the_overview(place, settings):
    put(place, backup(0))
    async with Harness(windlass_backups, settings=settings):
        told = await windlass_backups.windlass_health()
    assert told is not None
    assert {line.name for line in told.lines} == {"main on disk", "main on tape", "home on disk", "home on tape"}
