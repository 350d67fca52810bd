"""Which level a task gets: what it asks for, what the operator demands, and what the machine can; never less."""

import os
from datetime import UTC, datetime

import msgspec
import pytest
import windlass_scripts
from windlass import Document, Rejected, Success
from windlass.testing import Harness, OperationRejected, PayloadInvalid
from windlass_scripts import ExecuteScriptPayload, ScriptsSettings
from windlass_scripts.confinement import host as host_module
from windlass_scripts.confinement.host import Host
from windlass_scripts.confinement.levels import Level, LimitsAsked
from windlass_scripts.confinement.reporting import health_section
from windlass_scripts.library import Script, Version
from windlass_scripts.preparation import inlined_payload
from windlass_scripts.runner.plan import Plan

MIB = 1024 * 1024

pytestmark = pytest.mark.needs(program="bwrap", package="bubblewrap")


def asking(**fields) -> ExecuteScriptPayload:
    return msgspec.convert({"script": "true"} | fields, ExecuteScriptPayload)


@pytest.mark.parametrize("level", ["confined", "strict"])
async def test_a_task_that_names_no_level_gets_the_operators(place, level):
    place = place.changed(confinement=Level(level))
    outcome = await place.handler.run(place.ctx, asking())
    assert isinstance(outcome, Success)
    assert outcome.result["confinement"] == level
    assert f", {level}: at most 256 processes, 512 MiB of memory, 1 CPU, " in place.ctx.steps[0]


async def test_a_task_cannot_go_below_the_operators_least(place):
    place = place.changed(confinement=Level.STRICT, confinement_least=Level.CONFINED)
    with pytest.raises(Rejected, match="confinement: 'basic' is less than 'confined', the least that is allowed here"):
        await place.handler.run(place.ctx, asking(confinement="basic"))
    assert place.ctx.steps == []


async def test_a_script_of_the_library_brings_its_level_and_a_task_may_only_tighten_it():
    saved = {"name": "a", "text": "true", "confinement": "confined", "limits": {"pids_max": 9}}
    script = msgspec.convert(saved, Script)
    found = Version(script, Document(name="a", version=1, value=saved, stored_at=datetime.now(UTC), by="me"))
    for asked, given in (("basic", "confined"), (None, "confined"), ("strict", "strict")):
        payload = msgspec.convert({"library": "a", "confinement": asked}, ExecuteScriptPayload)
        inlined = inlined_payload(payload, found, {})
        assert (inlined.confinement, inlined.limits) == (Level(given), LimitsAsked(pids_max=9))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"limits": {"pids_max": 5}}, "limits: pids_max need confinement 'confined' or 'strict'"),
        ({"limits": {"pids_max": 5_000}, "confinement": "confined"}, "limits.pids_max: 5000 is more than the 4096"),
        ({"limits": {"cpu_max": 100}, "confinement": "strict"}, "limits.cpu_max: 100.0 is more than the 64.0 allowed"),
    ],
)
async def test_limits_that_cannot_be_given_are_refused(place, fields, message):
    with pytest.raises(Rejected, match=message):
        await place.handler.run(place.ctx, asking(**fields))


async def test_a_mistake_in_the_payload_is_told_when_it_is_enqueued(directory):
    async with Harness(windlass_scripts, settings={"scripts": {"directory": str(directory)}}) as harness:
        for fields in ({"confinement": "tight"}, {"limits": {"memory_max": 5}}, {"limits": {"ram": 5}}):
            with pytest.raises(PayloadInvalid, match=r"confinement|limits"):
                await harness.run("ExecuteScript", {"script": "true"} | fields)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"confinement_least": "strict"}, "confinement must be at least confinement_least .strict., not basic"),
        ({"confinement": "tight"}, "Invalid enum value 'tight'"),
        ({"limits": {"pids_max": 9_999}}, r"limits.pids_max must be at most limits_max.pids_max \(4096\)"),
        ({"limits": {"memory_max": 1}}, ">= 4194304"),
        ({"denied_paths": ["etc"]}, "denied_paths: 'etc' must be an absolute path below /"),
        ({"writable_paths": ["/"]}, "writable_paths: '/' must be an absolute path below /"),
        ({"cgroup": "mine"}, "cgroup: 'mine' must start with /"),
    ],
)
def test_a_mistake_in_the_settings_is_told(section, message):
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(section, ScriptsSettings)


@pytest.mark.parametrize("level", ["confined", "strict"])
async def test_a_host_without_cgroups_refuses_and_says_what_helps(place, level):
    place = place.changed(cgroup="/no-such-group")
    with pytest.raises(
        Rejected, match=r"'(confined|strict)' can't be had on this node: no cgroup.*Delegate=pids memory cpu"
    ):
        await place.handler.run(place.ctx, asking(confinement=level))
    assert place.ctx.steps == []


async def test_a_host_without_bubblewrap_refuses_strict_alone(place, monkeypatch):
    place = place.changed()
    monkeypatch.setattr(host_module, "find_bubblewrap", lambda: None)
    with pytest.raises(Rejected, match="'strict' can't be had on this node: bubblewrap is not installed; install it"):
        await place.handler.run(place.ctx, asking(confinement="strict"))
    assert isinstance(await place.handler.run(place.ctx, asking(confinement="confined")), Success)


async def test_a_host_with_an_old_landlock_refuses_confined_alone(place, monkeypatch):
    place = place.changed()
    monkeypatch.setattr(host_module, "landlock_abi", lambda: 2)
    with pytest.raises(Rejected, match=r"need version 3 of Landlock, and this system has version 2; use Linux 6\.2"):
        await place.handler.run(place.ctx, asking(confinement="confined"))
    assert isinstance(await place.handler.run(place.ctx, asking(confinement="strict")), Success)


@pytest.mark.parametrize("program", ["/bin/false", "/bin/true"])
async def test_a_sandbox_that_does_not_work_is_found_out_by_trying(place, monkeypatch, program):
    place = place.changed()
    monkeypatch.setattr(host_module, "find_bubblewrap", lambda: program)
    with pytest.raises(Rejected, match="can't be had on this node: sandbox: bubblewrap ended without a word"):
        await place.handler.run(place.ctx, asking(confinement="strict"))


async def test_what_fails_at_the_start_is_tried_again_and_never_run_at_a_lower_level(place, monkeypatch):
    place = place.changed()
    await place.host.require(Level.STRICT)
    monkeypatch.setattr(host_module, "find_bubblewrap", lambda: "/no/such/bwrap")
    outcome = await place.handler.run(place.ctx, asking(confinement="strict", script="echo ran"))
    assert outcome.message == "sh could not be started: sandbox: No such file or directory"
    for room in place.host.rooms:
        os.rmdir(room.path)
    outcome = await place.handler.run(place.ctx, asking(confinement="confined", script="echo ran"))
    assert outcome.message == "sh could not be started: cgroup: No such file or directory"
    place.host.close()
    outcome = await place.handler.run(place.ctx, asking(confinement="confined", script="echo ran"))
    assert outcome.message == "sh could not be started: cgroup: No such file or directory"
    assert place.ctx.text() == b""


def test_a_line_break_makes_no_line_of_a_plan():
    plan = Plan()
    plan.writable = ["/srv/a\nwritable /etc"]
    with pytest.raises(ValueError, match="line break"):
        plan.encode()


async def test_a_script_is_not_saved_with_limits_that_cannot_hold(directory):
    async with Harness(windlass_scripts, settings={"scripts": {"directory": str(directory)}}) as harness:
        saved = {"name": "a", "text": "true", "limits": {"pids_max": 9}}
        with pytest.raises(OperationRejected, match="pids_max need confinement"):
            await harness.call("subject 0.save", saved)
        await harness.call("subject 0.save", saved | {"confinement": "confined"})
        shown = msgspec.to_builtins(await harness.call("subject 0.show", {"name": "a"}))
    assert (shown["confinement"], shown["limits"]) == ("confined", {"pids_max": 9})


async def test_the_levels_are_told_to_people_and_programs(directory):
    async with Harness(windlass_scripts, settings={"scripts": {"directory": str(directory)}}) as harness:
        answer = await harness.call("subject 0.capabilities", {"again": True})
    levels = msgspec.to_builtins(answer)["levels"]
    assert [each["level"] for each in levels] == ["basic", "confined", "strict"]
    assert all(each["is_available"] and each["by"] for each in levels), levels


def test_the_overview_shows_the_levels_and_alarms_of_one_that_tasks_need(settings):
    host = Host(msgspec.structs.replace(settings, cgroup="/no-such-group", confinement=Level.STRICT))
    assert health_section(host) is None
    host.capabilities()
    section = health_section(host)
    assert section is not None
    assert section.summary == "confinement: basic"
    assert [(line.name, line.is_alarming) for line in section.lines] == [
        ("basic", False), ("confined", False), ("strict", True),
    ]  # fmt: skip
