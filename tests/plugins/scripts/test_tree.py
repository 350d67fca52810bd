"""After any end, none of the script's processes is left: the conftest checks it again after each of these tests."""

import asyncio
import os
import signal
import time

import psutil
import pytest
from windlass import Failed, Rejected, Retry, Success

from tests.plugins.scripts.conftest import GRACE
from tests.plugins.scripts.recording import RecordingContext
from tests.plugins.scripts.survivors import gone

DOUBLE_FORK = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        print("daemon", flush=True)
        time.sleep(600)
    os._exit(0)
os.wait()
"""

DEAF = 'trap "" TERM; echo ready; while :; do sleep 1; done'

ESCAPES = {
    "child": "sleep 600 & echo ready; wait",
    "setsid": "setsid sh -c 'echo ready; sleep 600'",
    "setsid in the background": "setsid sleep 600 & echo ready; sleep 600",
    "deaf": DEAF,
    "deaf in another session": f"setsid sh -c '{DEAF}' & sleep 600",
    "nohup": "nohup sleep 600 >/dev/null 2>&1 & echo ready; sleep 600",
    "stopped": "sh -c 'kill -STOP $$; sleep 600' & sleep 0.1; echo ready; wait",
    "bare environment": "env -i setsid sh -c 'while :; do sleep 1; done' $MARK & echo ready; sleep 600",
}


@pytest.fixture(params=sorted(ESCAPES))
def escape(request) -> str:
    return ESCAPES[request.param]


async def begin(handler, ctx, payload, word: bytes = b"ready") -> asyncio.Task:
    """The run, once its script has said `word`."""
    running = asyncio.create_task(handler.run(ctx, payload))
    await ctx.saw(word)
    return running


def pid_of(ctx) -> int:
    return int(ctx.steps[0].split("pid ")[1].rstrip(")"))


async def test_an_interrupt_ends_the_whole_tree_within_its_grace(handler, ctx, asked, mark, escape):
    running = await begin(handler, ctx, asked(escape))
    asked_at = time.monotonic()
    ctx.cancelled.set()
    outcome = await running
    assert time.monotonic() - asked_at < GRACE + 3
    assert gone(mark, within=0)
    assert isinstance(outcome, Failed)
    assert outcome.message.startswith("ended by SIG")
    assert outcome.result["survivors_left"] == 0


async def test_a_cancellation_ends_the_whole_tree_before_it_is_passed_on(handler, ctx, asked, mark, escape):
    running = await begin(handler, ctx, asked(escape))
    asked_at = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert time.monotonic() - asked_at < 3
    assert gone(mark, within=0)


async def test_a_second_cancellation_does_not_cut_the_tidying_short(handler, ctx, asked, mark):
    running = await begin(handler, ctx, asked(DEAF))
    while not running.done():
        running.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(mark, within=0)


async def test_cancelling_at_any_moment_of_the_start_leaves_nothing(handler, ctx, asked, mark):
    for hundredth in range(0, 40, 3):
        running = asyncio.create_task(handler.run(ctx, asked("setsid sleep 600 & sleep 600")))
        await asyncio.sleep(hundredth / 1000)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert gone(mark, within=0)


async def test_sigterm_is_enough_for_a_polite_script_and_history_says_so(handler, ctx, asked):
    running = await begin(handler, ctx, asked("echo ready; sleep 600"))
    ctx.cancelled.set()
    outcome = await running
    assert (outcome.result["killed_by"], outcome.result["survivors_killed"]) == ("SIGTERM", 0)
    assert ctx.steps[1] == f"interrupted: SIGTERM to every process, SIGKILL {GRACE} s later"
    assert ctx.steps[-1].startswith("killed by SIGTERM after ")


async def test_sigterm_wakes_a_stopped_process_to_hear_it(handler, ctx, asked):
    running = await begin(handler, ctx, asked(ESCAPES["stopped"]))
    ctx.cancelled.set()
    outcome = await running
    assert (outcome.result["killed_by"], outcome.result["survivors_killed"]) == ("SIGTERM", 0)


async def test_sigkill_follows_for_a_deaf_one_and_history_says_so(handler, ctx, asked):
    running = await begin(handler, ctx, asked(DEAF))
    ctx.cancelled.set()
    outcome = await running
    assert (outcome.result["killed_by"], outcome.result["signal"]) == ("SIGKILL", "SIGKILL")


async def test_a_trap_gets_its_grace_to_tidy_up(handler, ctx, asked):
    script = "trap 'sleep 0.1; echo tidied; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    running = await begin(handler, ctx, asked(script))
    ctx.cancelled.set()
    outcome = await running
    assert isinstance(outcome, Failed)
    assert ctx.text() == b"ready\ntidied\n"
    assert (outcome.result["exit_code"], outcome.result["killed_by"]) == (0, "SIGTERM")


async def test_a_script_that_ended_by_itself_is_not_called_interrupted(handler, ctx, asked):
    """The interrupt comes while a process left behind has its moment to end."""
    running = await begin(handler, ctx, asked("sleep 600 & echo ready"))
    while psutil.pid_exists(pid_of(ctx)):  # noqa: ASYNC110 - nothing tells a test of that moment
        await asyncio.sleep(0.005)
    ctx.cancelled.set()
    assert isinstance(await running, Success)


async def test_a_daemon_left_behind_dies_with_its_script(handler, ctx, asked, mark):
    outcome = await handler.run(ctx, asked(DOUBLE_FORK, interpreter="python3"))
    assert isinstance(outcome, Success)
    assert gone(mark, within=0)
    assert outcome.result["survivors_killed"] == 1
    assert "killed 1 other process of its tree" in ctx.steps


async def test_a_grandchild_that_holds_the_pipe_does_not_hold_us(handler, ctx, asked):
    began = time.monotonic()
    outcome = await handler.run(ctx, asked("(trap '' TERM HUP; sleep 600; echo never) & echo said; exit 4"))
    assert time.monotonic() - began < 3
    assert isinstance(outcome, Retry)
    assert ctx.text() == b"said\n"
    assert outcome.result["survivors_killed"] >= 1


async def test_a_pipe_held_by_an_outsider_does_not_hold_us(handler, ctx, asked):
    """Somebody outside the tree opened the script's output through /proc: no kill of ours closes that end."""
    running = await begin(handler, ctx, asked("echo ready; exec sleep 0.3"))
    held = os.open(f"/proc/{pid_of(ctx)}/fd/1", os.O_WRONLY)
    os.write(held, b"from outside\n")
    outcome = await asyncio.wait_for(running, 5)
    os.close(held)
    assert isinstance(outcome, Success)
    assert ctx.text() == b"ready\nfrom outside\n"


async def test_a_helper_that_is_just_finishing_may_do_so(handler, ctx, asked):
    """`exec > >(tee log)` is common in bash, which does not wait for tee."""
    script = 'exec > >(while read l; do sleep 0.05; echo "<$l>"; done)\necho all of it'
    outcome = await handler.run(ctx, asked(script, interpreter="bash"))
    assert ctx.text() == b"<all of it>\n"
    assert outcome.result["survivors_killed"] == 0


async def test_processes_that_keep_forking_are_killed_all_the_same(handler, ctx, asked, mark):
    script = "hop() { sleep 0.01; hop & }\nfor i in 1 2 3 4 5 6; do hop & done\necho ready; sleep 600"
    running = await begin(handler, ctx, asked(script))
    ctx.cancelled.set()
    outcome = await running
    assert gone(mark, within=0)
    assert outcome.result["survivors_left"] == 0


def runner_of(ctx) -> psutil.Process:
    runner = psutil.Process(pid_of(ctx)).parent()
    assert runner
    assert "runner" in " ".join(runner.cmdline())
    return runner


@pytest.mark.parametrize(
    "script", ["echo ready; sleep 600", "setsid sleep 600 & (setsid sleep 600 &) ; echo ready; wait"]
)
async def test_killing_the_runner_frees_nobody(handler, ctx, asked, mark, script):
    running = await begin(handler, ctx, asked(script))
    runner_of(ctx).kill()
    outcome = await running
    assert gone(mark, within=0)
    assert isinstance(outcome, Retry)
    assert outcome.message == "its runner process died"


async def test_a_script_that_freezes_its_runner_is_still_ended(handler, ctx, asked, mark, monkeypatch):
    monkeypatch.setattr("windlass_scripts.attempt.SLACK", 0.3)
    running = await begin(handler, ctx, asked("echo ready; sleep 0.2; kill -STOP $PPID; setsid sleep 600 & sleep 600"))
    while runner_of(ctx).status() != psutil.STATUS_STOPPED:  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    ctx.cancelled.set()
    outcome = await running
    assert isinstance(outcome, Failed)
    assert gone(mark, within=0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_a_runner_ended_by_hand_takes_its_tree_along(handler, ctx, asked, mark, number):
    running = await begin(handler, ctx, asked("setsid sleep 600 & echo ready; wait"))
    os.kill(runner_of(ctx).pid, number)
    outcome = await running
    assert isinstance(outcome, Retry)
    assert outcome.message == "killed by SIGTERM"
    assert gone(mark, within=0)


async def test_no_runner_is_left_either(handler, ctx, asked):
    running = await begin(handler, ctx, asked("echo ready; sleep 0.1"))
    runner = runner_of(ctx)
    await running
    assert not runner.is_running()


async def test_no_descriptor_is_left_open_after_any_end(handler, asked, tmp_path):
    no_program = tmp_path / "text"
    no_program.write_text("no program at all")
    no_program.chmod(0o700)

    async def once(script: str, end: str) -> None:
        ctx = RecordingContext()
        running = asyncio.create_task(handler.run(ctx, asked(script, working_directory="/")))
        if end == "interrupted":
            await ctx.saw(b"ready")
            ctx.cancelled.set()
        elif end == "cancelled":
            await ctx.saw(b"ready")
            running.cancel()
        await asyncio.wait({running})

    await once("true", "by itself")  # what the loop opens once and keeps
    before = os.listdir("/proc/self/fd")
    await once("exit 1", "by itself")
    await once("echo ready; sleep 600", "interrupted")
    await once("echo ready; sleep 600", "cancelled")
    with pytest.raises(Rejected, match="could not be started"):
        await handler.run(RecordingContext(), asked(argv=[str(no_program)]))
    assert os.listdir("/proc/self/fd") == before
