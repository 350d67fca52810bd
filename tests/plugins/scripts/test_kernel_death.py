"""The kernel process is killed with -9: nothing of its scripts may go on, for the next node runs the task again."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from windlass_scripts.confinement.cgroups import Tree, find_trees, this_process
from windlass_scripts.confinement.rooms import sweep_rooms

from tests.plugins.scripts.survivors import empty, gone, marked

ROOT = Path(__file__).parents[3]

# Its many threads matter: they make a process end slowly enough for its children to see it half gone.
NODE = """
import asyncio, sys, threading, time
sys.path.insert(0, {root!r})
from tests.plugins.scripts.recording import RecordingContext
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings
from windlass_scripts.confinement.levels import Level

for _ in range(20):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
handler = ExecuteScript(ScriptsSettings(directory={directory!r}))
payload = ExecuteScriptPayload(script={script!r}, env={{"MARK": {mark!r}}}, confinement=Level({level!r}))

async def one():
    ctx = RecordingContext(task_id={task_id})
    running = asyncio.create_task(handler.run(ctx, payload))
    await ctx.saw(b"ready")
    print("ready", flush=True)
    await running

async def stream():
    while True:
        starting = asyncio.create_task(one())
        await asyncio.sleep(0.004)

if {uvloop!r}:
    import uvloop
    uvloop.run({what}())
else:
    asyncio.run({what}())
"""


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        "touch file; echo ready; sleep 600",
        "trap '' TERM HUP INT; echo ready; while :; do sleep 1; done",
        "setsid sleep 600 & (setsid sh -c 'trap \"\" TERM; sleep 600' &); touch file; echo ready; wait",
    ],
)
def test_scripts_and_their_files_die_with_the_kernel(directory, mark, script, uvloop):
    with node_running(script, directory, mark, uvloop=uvloop) as node:
        assert scripts_of(node, mark)
        os.kill(node.pid, signal.SIGKILL)
    assert gone(mark, within=2)
    assert empty(directory, within=2)


@pytest.mark.parametrize("moment", range(4))
def test_a_kernel_that_dies_while_scripts_start_and_end_leaves_nothing(directory, mark, moment):
    """A script starts every 4 ms and lives for about 20, so that each kill meets some at every step of their way."""
    task_id = uuid.uuid4().int
    with node_running("echo ready", directory, mark, what="stream", task_id=task_id) as node:
        time.sleep(0.05 + moment / 1000)
        os.kill(node.pid, signal.SIGKILL)
    # By their names also the runners: one may only just be starting, and first find out that it is not needed.
    assert gone(mark, f"tasks/{task_id}/", within=2)
    assert empty(directory, within=0)


@pytest.mark.needs(program="bwrap", package="bubblewrap")
@pytest.mark.parametrize("level", ["confined", "strict"])
def test_a_kernel_that_dies_while_confined_scripts_start_and_end_leaves_nothing(directory, mark, level):
    task_id = uuid.uuid4().int
    with node_running("echo ready", directory, mark, what="stream", task_id=task_id, level=level) as node:
        time.sleep(0.1)
        os.kill(node.pid, signal.SIGKILL)
    assert gone(mark, f"tasks/{task_id}/", within=5)
    assert empty(directory, within=1)
    assert groups_of(task_id) == []


def test_a_script_dies_with_its_runner_although_nobody_looks_after_it(directory, mark):
    with node_running("echo ready; exec sleep 600", directory, mark) as node:
        (pid,) = scripts_of(node, mark)
        script, runner = psutil.Process(pid), psutil.Process(pid).parent()
        assert runner
        its_own_mark = f"WINDLASS_RUN={script.environ()['WINDLASS_RUN']}"
        os.kill(node.pid, signal.SIGSTOP)
        runner.kill()
        assert gone(its_own_mark, within=2)
        os.kill(node.pid, signal.SIGCONT)
        assert node.wait(timeout=5) == 0


HELD = "setsid sleep 600 & (setsid sh -c 'trap \"\" TERM; sleep 600' &); touch file; echo ready; wait"


@pytest.mark.needs(program="bwrap", package="bubblewrap")
@pytest.mark.parametrize("level", ["confined", "strict"])
def test_confined_scripts_and_their_groups_die_with_the_kernel(directory, mark, level):
    task_id = uuid.uuid4().int
    with node_running(HELD, directory, mark, task_id=task_id, level=level) as node:
        groups = groups_of(task_id)
        assert groups
        os.kill(node.pid, signal.SIGKILL)
    assert gone(mark, f"tasks/{task_id}/", within=2)
    assert empty(directory, within=2)
    assert groups_of(task_id) == []
    sweep_rooms(trees())


@pytest.mark.needs(program="bwrap", package="bubblewrap")
@pytest.mark.parametrize("level", ["confined", "strict"])
def test_what_a_dead_kernel_and_its_dead_runner_left_is_swept_at_the_next_start(directory, mark, level):
    """Under Landlock alone nothing ties the script's grandchildren to anybody: only their group still tells of them."""
    task_id = uuid.uuid4().int
    with node_running(HELD, directory, mark, task_id=task_id, level=level) as node:
        runner = psutil.Process(scripts_of(node, mark)[0])
        while f"tasks/{task_id}/" not in " ".join(runner.cmdline()) or runner.parent() != psutil.Process(node.pid):
            runner = runner.parent() or runner
        os.kill(node.pid, signal.SIGSTOP)
        sweep_rooms(trees())
        assert groups_of(task_id), "it lives: its room is locked"
        runner.kill()
        os.kill(node.pid, signal.SIGKILL)
    assert groups_of(task_id)
    swept = sweep_rooms(trees())
    assert swept >= 4
    assert gone(mark, f"tasks/{task_id}/", within=2)
    assert groups_of(task_id) == []
    for private in directory.iterdir():
        shutil.rmtree(private)


def trees() -> list[Tree]:
    return find_trees(*this_process())


def groups_of(task_id: int) -> list[Path]:
    """Groups that a runner made for the task, in any kernel's room."""
    return [path for tree in trees() for path in Path(tree.base).glob(f"windlass-scripts-*/{task_id}-*")]


@contextmanager
def node_running(
    script: str,
    directory: Path,
    mark: str,
    *,
    uvloop: bool = False,
    what: str = "one",
    task_id: int = 7,
    level: str = "basic",
) -> Iterator[subprocess.Popen[bytes]]:
    """A process like a kernel's, whose script has said "ready"."""
    places = {"root": str(ROOT), "directory": str(directory)}
    code = NODE.format(**places, script=script, mark=mark, uvloop=uvloop, what=what, task_id=task_id, level=level)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as node:
        try:
            assert node.stdout
            assert node.stdout.readline() == b"ready\n"
            yield node
        finally:
            node.kill()


def scripts_of(node: subprocess.Popen[bytes], mark: str) -> list[int]:
    return [pid for pid in marked(mark) if pid != node.pid]
