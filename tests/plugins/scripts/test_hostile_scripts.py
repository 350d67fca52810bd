"""What badly behaved scripts do, at every level: nothing of them is left, and who runs beside them ends in time."""

import asyncio
import time

import psutil
import pytest
from windlass import Failed, Retry, Success

from tests.plugins.scripts.conftest import GRACE

pytestmark = pytest.mark.needs(program="bwrap", package="bubblewrap")

LEVELS = ["basic", "confined", "strict"]
LIMITED = ["confined", "strict"]

DOUBLE_FORK = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("ready", flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""

BOMB = """
import os, time
print("ready", flush=True)
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        time.sleep(0.001)
"""

HOP = """
import os, time
for _ in range(20):
    if os.fork() == 0:
        os.setsid()
        while True:
            if os.fork():
                os._exit(0)
print("ready", flush=True)
time.sleep(600)
"""

HOG = """
kept = []
while True:
    kept.append(bytearray(1024 * 1024))
"""

REMOVED_FILE = """
import os
with open("file", "wb") as file:
    os.unlink("file")
    while True:
        file.write(bytes(1024 * 1024))
"""

EMPTY_FILES = """
import os, time
for number in range(5_000):
    os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
time.sleep(600)
"""

DEAF = 'trap "" TERM; echo ready; while :; do sleep 1; done'

STAYS = {
    "setsid": ("sh", "setsid sh -c 'echo ready; sleep 600' & sleep 600"),
    "double fork": ("python3", DOUBLE_FORK),
    "deaf": ("sh", DEAF),
    "deaf in another session": (
        "sh",
        "setsid sh -c 'trap \"\" TERM; echo ready; while :; do sleep 1; done' & sleep 600",
    ),
    "yes": ("sh", "echo ready; exec yes"),
}

FILLS = {
    "one file": ("sh", "yes > file"),
    "many files": ("sh", "while :; do head -c 1000000 /dev/zero > $(mktemp file.XXXXXX) || exit 5; done"),
    "removed file": ("python3", REMOVED_FILE),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("how", STAYS)
async def test_an_interrupt_leaves_nothing_of_it(place, level, how):
    interpreter, script = STAYS[how]
    outcome = await place.attack(script, level, place.said(b"ready"), interpreter=interpreter)
    assert isinstance(outcome, Failed)
    assert outcome.message == ("ended by SIGKILL" if how == "deaf" else "ended by SIGTERM")
    assert outcome.result["confinement"] == level
    assert outcome.result["survivors_left"] == 0


@pytest.mark.parametrize("level", LEVELS)
async def test_a_grandchild_that_holds_the_pipe_holds_nobody(place, level):
    began = time.monotonic()
    outcome = await place.attack("(trap '' TERM HUP; sleep 600; echo never) & echo said; exit 4", level)
    assert time.monotonic() - began < GRACE + 4
    assert isinstance(outcome, Retry)
    assert outcome.result["exit_code"] == 4
    assert outcome.result["survivors_killed"] >= 1


@pytest.mark.parametrize("level", LIMITED)
async def test_whoever_kills_the_runner_frees_nobody(place, level):
    """Not even a process that changed its session and dropped its environment: it can't leave its group."""
    script = "env -i setsid sh -c 'while :; do sleep 1; done' $MARK & echo ready; wait"
    running = asyncio.create_task(place.run(script, level))
    await place.ctx.until(place.said(b"ready"))
    started = int(place.ctx.steps[0].split("pid ")[1].split(")")[0])
    runner = psutil.Process(started).parent()
    assert runner is not None
    runner.kill()
    assert (await running).message == "its runner process died"
    assert place.marked() == []
    assert place.groups() == []


@pytest.mark.parametrize("level", LEVELS)
async def test_one_line_of_200_mb_is_counted_and_over(place, level):
    kept = place.ctx.chunks
    place.ctx.pace = lambda data: _forget(kept)
    outcome = await place.attack("head -c 200000000 /dev/zero", level)
    assert isinstance(outcome, Success)
    assert outcome.result["stdout_bytes"] == 200_000_000


@pytest.mark.parametrize("level", LIMITED)
async def test_a_fork_bomb_meets_its_limit_and_is_ended(place, level):
    began = time.monotonic()
    limits = {"pids_max": 40}
    outcome = await place.attack(BOMB, level, lambda: False, interpreter="python3", limits=limits, timeout=1)
    assert time.monotonic() - began < 1 + GRACE + 4
    assert isinstance(outcome, Retry)
    assert outcome.message.startswith("timed out after 1 s")
    assert outcome.result["survivors_left"] == 0
    assert "the limit of processes was reached: starting more was refused" in place.ctx.steps


@pytest.mark.parametrize("level", LIMITED)
async def test_processes_that_hop_faster_than_they_can_be_looked_up_are_killed(place, level):
    outcome = await place.attack(
        HOP, level, place.said(b"ready"), interpreter="python3", limits={"pids_max": 250, "cpu_max": 2}
    )
    assert isinstance(outcome, Failed)
    assert outcome.result["survivors_left"] == 0
    assert outcome.result["duration_s"] < 3


@pytest.mark.parametrize("level", LIMITED)
async def test_a_memory_hog_is_killed_for_it_alone(place, level):
    outcome = await place.attack(HOG, level, interpreter="python3", limits={"memory_max": 64 * 1024 * 1024})
    assert isinstance(outcome, Retry)
    assert outcome.message.startswith("killed by SIGKILL")
    assert "the memory limit was reached: the system killed 1 process" in place.ctx.steps


@pytest.mark.parametrize("how", FILLS)
async def test_who_fills_the_disk_is_ended_when_confined(place, how):
    interpreter, script = FILLS[how]
    limits = {"disk_max": 32 * 1024 * 1024}
    outcome = await place.attack(script, "confined", interpreter=interpreter, limits=limits, timeout=20)
    assert isinstance(outcome, Retry)
    assert outcome.message == "it wrote more to its private directory than limits.disk_max allows"
    assert outcome.result["killed_by"] == "SIGKILL"


async def test_a_flood_of_empty_files_counts_as_filling_the_disk(place):
    limits = {"disk_max": 4 * 1024 * 1024}
    outcome = await place.attack(EMPTY_FILES, "confined", interpreter="python3", limits=limits, timeout=6)
    assert outcome.message == "it wrote more to its private directory than limits.disk_max allows"


@pytest.mark.parametrize("how", FILLS)
@pytest.mark.parametrize("where", [".", "/tmp", "/dev/shm"])
async def test_the_disk_of_a_strict_script_is_its_own_and_full_soon(place, how, where):
    interpreter, script = FILLS[how]
    script = f"cd {where}; {script}" if interpreter == "sh" else f"import os; os.chdir('{where}')\n{script}"
    limits = {"disk_max": 8 * 1024 * 1024}
    outcome = await place.attack(script, "strict", interpreter=interpreter, limits=limits)
    assert isinstance(outcome, Retry)
    assert "No space left on device" in outcome.message


async def _forget(kept: list) -> None:
    kept.clear()
