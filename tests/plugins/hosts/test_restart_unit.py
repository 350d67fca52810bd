"""RestartUnit, against a real program.

A machine that runs tests has no systemd of its own to restart units of, so the setting `systemctl` names a small script
that these tests write: a stand-in with its options and its answers.  One test calls the real systemctl.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from windlass.testing import PayloadInvalid, Rung

from tests.plugins.hosts.conftest import Open
from tests.waiting import eventually

UNIT = "nginx.service"
ACTIVE = "ActiveState=active\nSubState=running\nResult=success\n"
STARTING = "ActiveState=activating\nSubState=start\nResult=success\n"
FAILED = "ActiveState=failed\nSubState=failed\nResult=exit-code\n"


class StandIn:
    """`after` is what the unit is once `restart` is done; `script` runs in `restart` before that."""

    def __init__(self, folder: Path, *, after: str = ACTIVE, script: str = "") -> None:
        self.folder = folder
        folder.mkdir()
        self.program = folder / "systemctl"
        self.be(FAILED)
        (folder / "after").write_text(after)
        self.program.write_text(
            f"""#!/bin/sh
cd {folder}
echo "$@" >> calls
case "$1" in
  show) cat state ;;
  *) echo $$ > pid; {script or ":"}; cp after state ;;
esac
"""
        )
        self.program.chmod(0o755)

    def be(self, state: str) -> None:
        fresh = self.folder / "fresh"
        fresh.write_text(state)
        fresh.replace(self.folder / "state")

    @property
    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()

    @property
    def runs(self) -> bool:
        return Path(f"/proc/{(self.folder / 'pid').read_text().strip()}").exists()


def settings(stand_in: StandIn) -> dict[str, object]:
    return {"systemctl": str(stand_in.program), "units": ["redis.service", UNIT]}


async def test_a_unit_is_restarted_and_how_long_that_took_is_said(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin")
    async with opened(**settings(stand_in)) as harness:
        run = await harness.run("RestartUnit", {"unit": UNIT})
    run.assert_succeeded()
    run.assert_stages(f"restarting {UNIT}", f"waiting until {UNIT} is active")
    run.assert_step(f"systemctl restart {UNIT} took ").assert_step(f"{UNIT} is active (running) after ")
    assert (run.result["unit"], run.result["state"], run.result["sub_state"]) == (UNIT, "active", "running")
    assert run.title == f"restart {UNIT}"
    assert stand_in.calls[0] == f"--no-ask-password restart -- {UNIT}"
    assert {call.split()[0] for call in stand_in.calls[1:]} == {"show"}


async def test_it_waits_for_a_unit_that_takes_its_time(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin", after=STARTING)

    async def comes_up() -> None:
        await eventually(lambda: len(stand_in.calls) > 3 if (stand_in.folder / "calls").exists() else False)
        stand_in.be(ACTIVE)

    async with opened(**settings(stand_in)) as harness:
        coming = asyncio.create_task(comes_up())
        run = await harness.run("RestartUnit", {"unit": UNIT})
        await coming
    run.assert_succeeded()
    assert run.result["seconds"] > 0.2


async def test_one_that_dies_right_after_its_start_is_not_believed(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin")

    async def dies() -> None:
        await eventually(lambda: (stand_in.folder / "state").read_text() == ACTIVE)
        await eventually(lambda: stand_in.calls[-1].startswith("show"))
        stand_in.be(FAILED)

    async with opened(**settings(stand_in), steady=0.5) as harness:
        dying = asyncio.create_task(dies())
        run = await harness.run("RestartUnit", {"unit": UNIT})
        await dying
    run.assert_failed(f"{UNIT} did not stay active: it is failed (failed)")
    assert run.result["result"] == "exit-code"


async def test_what_systemctl_refuses_is_told_in_its_words(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin", script="echo 'Job for nginx.service failed.' >&2; exit 3")
    async with opened(**settings(stand_in)) as harness:
        run = await harness.run("RestartUnit", {"unit": UNIT})
    run.assert_failed(f"systemctl restart {UNIT} exited with code 3: Job for nginx.service failed.")
    assert run.output["stderr"] == b"Job for nginx.service failed.\n"


async def test_a_unit_that_never_comes_up_fails_when_its_time_is_over(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin", after=STARTING)
    async with opened(**settings(stand_in)) as harness:
        run = await harness.run("RestartUnit", {"unit": UNIT, "timeout": 0.5})
    run.assert_failed(f"{UNIT} is not active after 0.5 s: it is activating (start)")


async def test_a_systemctl_that_hangs_is_ended_when_the_time_is_over(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin", script="exec sleep 60")
    async with opened(**settings(stand_in)) as harness:
        run = await harness.run("RestartUnit", {"unit": UNIT, "timeout": 0.5})
    run.assert_failed("is not active after 0.5 s")
    assert not stand_in.runs


@pytest.mark.parametrize("script", ["exec sleep 60", ""])
async def test_an_interrupt_ends_the_wait_and_leaves_no_program_behind(
    opened: Open, tmp_path: Path, script: str
) -> None:
    stand_in = StandIn(tmp_path / "bin", script=script, after=STARTING)
    async with opened(**settings(stand_in)) as harness:
        run = await harness.run("RestartUnit", {"unit": UNIT}, interrupt_after=0.5)
    run.assert_canceled(by=Rung.ASKED)
    assert f"ended while {UNIT} restarted: systemd goes on with it" in run.message
    assert run.seconds < 3
    assert not stand_in.runs


async def test_a_unit_that_is_not_on_the_list_is_left_alone(opened: Open, tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path / "bin")
    async with opened(**settings(stand_in)) as harness:
        run = await harness.run("RestartUnit", {"unit": "sshd.service"})
    run.assert_failed("unit: sshd.service is not in plugins.hosts.units on ")
    run.assert_failed("allowed there: redis.service, nginx.service")
    assert not (stand_in.folder / "calls").exists()


@pytest.mark.parametrize(
    "unit", ["nginx", "", "--now.service", "a b.service", "../x.service", "x.service\n", "é.service"]
)
async def test_what_is_no_unit_is_refused_at_enqueue(opened: Open, unit: str) -> None:
    async with opened() as harness:
        with pytest.raises(PayloadInvalid, match="is no unit; give its whole name"):
            await harness.run("RestartUnit", {"unit": unit})


async def test_a_host_without_systemctl_says_so(opened: Open, tmp_path: Path) -> None:
    async with opened(units=[UNIT], systemctl=str(tmp_path / "systemctl")) as harness:
        run = await harness.run("RestartUnit", {"unit": UNIT})
    run.assert_failed("RestartUnit needs systemd; name the program in plugins.hosts.systemctl")


@pytest.mark.needs(program="systemctl", package="systemd")
async def test_the_real_systemctl_is_understood_when_it_refuses(opened: Open) -> None:
    unit = f"windlass-no-such-unit-{os.getpid()}.service"
    async with opened(units=[unit]) as harness:
        run = await harness.run("RestartUnit", {"unit": unit})
    run.assert_failed(f"systemctl restart {unit} exited with code ")
    assert "it said nothing" not in run.message
