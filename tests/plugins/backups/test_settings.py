"""`[plugins.backups]`: what is refused at the start, and what a payload may name."""

from __future__ import annotations

import pytest
import windlass_backups
from windlass.testing import BootError, Harness, PayloadInvalid, check_handler_keeps_contract
from windlass_backups import Backup, BackupsSettings, VerifyBackup
from windlass_backups.planning import longest_gap, schedules
from windlass_backups.settings import DirectorySource, PostgresSource, Target

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


def test_a_schedule_that_is_wrong_stops_the_start():
    with pytest.raises(BootError, match=r"schedule backups\.a\.disk: cron 'daily' has 1 fields, not five"):
        # The kernel checks it, when it learns of the schedules.
        from windlass.core.schedules import check_schedule

        settings = BackupsSettings(sources={"a": DirectorySource(path="/h", cron="daily")}, targets=targets("disk"))
        try:
            check_schedule(next(schedules(settings)))
        except ValueError as error:
            raise BootError(str(error)) from error


def targets(*names: str) -> dict[str, Target]:
    return {name: Target(path=f"/backups/{name}") for name in names}


@pytest.mark.parametrize(
    ("kind", "payload", "message"),
    [
        ("Backup", {"source": "mian"}, "source: there is no 'mian' in .*; did you mean 'main'"),
        ("Backup", {"source": "zzz"}, "there are: home, main"),
        ("Backup", {"source": "../../etc"}, "there is no '../../etc'"),
        ("Backup", {"source": "main", "target": "disc"}, "target: there is no 'disc' in .*; did you mean 'disk'"),
        ("Backup", {"source": "home"}, "target: home goes to disk, tape; name one of them"),
        ("VerifyBackup", {"source": "mian"}, "did you mean 'main'"),
        ("VerifyBackup", {"source": "main"}, "there is no backup of main yet; make one first"),
        ("VerifyBackup", {"backup": "main/yesterday"}, "a name is source/time, such as"),
        ("VerifyBackup", {"backup": "main/../../x"}, "a name is source/time"),
        ("VerifyBackup", {"backup": "main/2026-11-22T15-00-00.000Z"}, "there is no .* in disk, tape; backups.list"),
    ],
    ids=str,
)
async def test_a_payload_names_what_is_configured_or_is_refused_with_the_nearest(place, kind, payload, message):
    (place.path / "tape").mkdir()
    sources = {"main": TREE | {"targets": ["disk"]}, "home": TREE}
    settings = place.settings(sources, targets={"tape": {"path": str(place.path / "tape")}})
    async with Harness(windlass_backups, settings=settings) as harness:
        run = await harness.run(kind, payload, within=60)
    run.assert_failed()
    import re

    assert re.search(message, run.message), run.message
    assert place.shelf("main") == place.shelf("home") == []


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
    sources = {
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
