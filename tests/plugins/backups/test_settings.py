"""`[plugins.backups]`: what is refused at the start, and what a payload may name."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path

import msgspec
import pytest
import windlass_backups
from windlass import Rejected
from windlass.testing import Harness, PayloadInvalid, check_handler_keeps_contract
from windlass_backups import Backup, BackupsSettings, VerifyBackup, VerifyPayload
from windlass_backups.choosing import choose_source, choose_target, wanted
from windlass_backups.planning import longest_gap, schedules
from windlass_backups.settings import DirectorySource, PostgresSource, Source, Target

TREE = {"type": "directory", "path": "/home"}
DISK = {"disk": {"path": "/backups"}}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"sources": {"a": TREE}}, "sources.a has nowhere to go: configure"),
        ({"sources": {"A b": TREE}, "targets": DISK}, "sources.A b: a name has 1 to 40 characters"),
        ({"sources": {"a": TREE | {"targets": ["disc"]}}, "targets": DISK}, "no target 'disc'; did you mean 'disk'"),
        ({"sources": {"a": TREE | {"path": "home"}}, "targets": DISK}, "path must be an absolute path, not 'home'"),
        ({"sources": {"a": TREE | {"exclude": ["/"]}}, "targets": DISK}, "exclude holds an empty pattern"),
        ({"sources": {"a": TREE | {"every": "daily"}}, "targets": DISK}, "every is a duration such as 30m, 24h or 7d"),
        ({"sources": {"a": TREE | {"every": "5s"}}, "targets": DISK}, "every must be from 1 minute to 366 days"),
        ({"sources": {"a": TREE | {"every": "1d", "cron": "0 3 * * *"}}, "targets": DISK}, "exclude each other"),
        ({"sources": {"a": {"type": "postgres"}}, "targets": DISK}, "missing required field `dsn_file`"),
        ({"sources": {"a": {"type": "mysql"}}, "targets": DISK}, "Invalid value 'mysql'"),
        ({"sources": {"a": {"path": "/x"}}, "targets": DISK}, "missing required field `type`"),
        ({"sources": {"a": TREE | {"pfad": "/"}}, "targets": DISK}, "unknown field `pfad`"),
        ({"targets": {"disk": {"path": "/b", "keep": 0}}}, "keep must be at least 1, not 0"),
        ({"targets": {"disk": {"path": "/b", "keep_days": -1}}}, "keep_days must be above 0"),
        ({"targets": DISK | {"too": {"path": "/backups/"}}}, "two targets share the path /backups"),
        ({"level": 30}, "level must be from 1 to 19, not 30"),
        ({"verify_dsn_file": "x"}, "must be an absolute path"),
        ({"source": {}}, "did you mean 'sources'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_mistake_in_the_configuration_stops_the_start_and_is_told(section, message):
    with pytest.raises(Exception, match=message):
        Harness(windlass_backups, settings={"backups": section})


def test_the_example_of_the_guide_is_a_configuration():
    guide = (Path(__file__).parents[3] / "docs" / "backups.md").read_text("utf-8")
    (example,) = re.findall(r"```toml\n(.*?)```", guide, re.DOTALL)
    settings = msgspec.convert(tomllib.loads(example)["plugins"]["backups"], BackupsSettings)
    assert sorted(settings.sources) == ["home", "main"]
    assert len(list(schedules(settings))) == 4


def targets(*names: str) -> dict[str, Target]:
    return {name: Target(path=f"/backups/{name}") for name in names}


NAMED = BackupsSettings(
    sources={"main": DirectorySource(path="/m", targets=["disk"]), "home": DirectorySource(path="/h")},
    targets={"disk": Target(path="/nowhere/disk"), "tape": Target(path="/nowhere/tape")},
)


def named(source: str, target: str) -> str:
    """The target, as Backup looks for it."""
    choose_source(NAMED, source)
    return choose_target(NAMED, source, target)


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("mian", "", r"^source: there is no 'mian' in \[plugins.backups.sources\]; did you mean 'main'"),
        ("zzz", "", "there are: home, main"),
        ("../../etc", "", "there is no '../../etc'"),
        ("main", "disc", "^target: there is no 'disc' in .*; did you mean 'disk'"),
        ("main", "../tape", "^target: there is no '../tape'"),
        ("home", "", "^target: home goes to disk, tape; name one of them"),
    ],
)
def test_a_name_that_is_not_configured_is_refused_with_the_nearest_that_is(source, target, message):
    with pytest.raises(Rejected, match=message):
        named(source, target)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"source": "mian"}, "did you mean 'main'"),
        ({"source": "main"}, "there is no backup of main yet; make one first"),
        ({"source": "main", "target": "disc"}, "did you mean 'disk'"),
        ({"backup": "main/yesterday"}, "a name is source/time, such as"),
        ({"backup": "main/../../x"}, "a name is source/time"),
        ({"backup": "mian/2026-11-22T15-00-00.000Z"}, "did you mean 'main'"),
        ({"backup": "main/2026-11-22T15-00-00.000Z"}, "there is no .* in disk, tape; backups.list"),
    ],
    ids=str,
)
def test_a_backup_that_is_not_there_is_refused_with_what_to_do(payload, message):
    with pytest.raises(Rejected, match=message):
        wanted(NAMED, VerifyPayload(**payload))


@pytest.mark.parametrize("kind", ["Backup", "VerifyBackup"])
async def test_a_wrong_name_fails_the_task_at_once_and_nothing_is_made(place, kind):
    async with Harness(windlass_backups, settings=place.settings({"main": TREE})) as harness:
        run = await harness.run(kind, {"source": "mian"}, within=60)
    run.assert_failed("source: there is no 'mian'")
    assert os.listdir(place.disk) == []


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        ("Backup", {}),
        ("Backup", {"source": "main", "path": "/etc"}),
        ("VerifyBackup", {}),
        ("VerifyBackup", {"source": "main", "backup": "main/x"}),
        ("VerifyBackup", {"source": "main", "which": "oldest"}),
    ],
    ids=str,
)
async def test_a_payload_that_does_not_fit_is_not_enqueued(place, kind, payload):
    async with Harness(windlass_backups, settings=place.settings({"main": TREE})) as harness:
        with pytest.raises(PayloadInvalid):
            await harness.run(kind, payload)


async def test_requests_for_the_same_backup_become_one_whether_they_name_its_only_target_or_not(place, tmp_path):
    (tmp_path / "home").mkdir()
    settings = place.settings({"home": {"type": "directory", "path": str(tmp_path / "home")}})
    async with Harness(windlass_backups, settings=settings) as harness:
        joined = [{"source": "home", "target": "disk"}]
        (await harness.run("Backup", {"source": "home"}, joined=joined, within=60)).assert_succeeded()
    assert len(place.shelf("home")) == 1


def test_both_kinds_keep_the_contract_of_handlers(place, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "file").write_text("x")
    home = DirectorySource(path=str(tmp_path / "home"))
    settings = BackupsSettings(sources={"home": home}, targets={"disk": Target(path=str(place.disk))})
    check_handler_keeps_contract(Backup(settings), [{"source": "home"}], misfits=[{}, {"source": 7}], real_time=True)
    misfits = [{}, {"source": "a", "backup": "b"}]
    check_handler_keeps_contract(VerifyBackup(settings), [{"source": "home"}], misfits=misfits, real_time=True)
    assert [name for name in place.shelf("home") if name.startswith(".")] == []


# --- schedules


def test_each_source_is_scheduled_to_each_of_its_targets():
    sources: dict[str, Source] = {
        "main": PostgresSource(dsn_file="/d", every="24h", verify_cron="0 5 * * 0", zone="Europe/Berlin"),
        "home": DirectorySource(path="/h", cron="30 2 * * *", targets=["tape"]),
        "asked": DirectorySource(path="/a"),
    }
    made = {each.name: each for each in schedules(BackupsSettings(sources=sources, targets=targets("disk", "tape")))}
    assert sorted(made) == [
        "backups.home.tape",
        "backups.main.disk",
        "backups.main.tape",
        "backups.verify.main.disk",
        "backups.verify.main.tape",
    ]
    main, proof = made["backups.main.disk"], made["backups.verify.main.disk"]
    assert (main.kind, main.interval, main.payload) == ("Backup", 86_400.0, {"source": "main", "target": "disk"})
    assert (proof.kind, proof.cron, proof.zone) == ("VerifyBackup", "0 5 * * 0", "Europe/Berlin")


@pytest.mark.parametrize(
    ("planned", "days"),
    [
        ({}, None),
        ({"every": "1d12h"}, 1.5),
        ({"cron": "0 * * * *"}, 1 / 24),
        ({"cron": "0 3 * * *"}, 1),
        ({"cron": "0 */6 * * *"}, 1),
        ({"cron": "0 3 * * 1,4"}, 7),
        ({"cron": "0 3 1 * *"}, 31),
        ({"cron": "0 3 1 6 *"}, 366),
    ],
    ids=str,
)
def test_how_long_a_schedule_may_leave_between_two_backups(planned, days):
    gap = longest_gap(DirectorySource(path="/h", **planned))
    assert gap == (days and days * 86_400)
