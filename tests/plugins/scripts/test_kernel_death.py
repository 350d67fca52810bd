"""The kernel process is killed with -9: nothing of its scripts may go on, for the next node runs the task again."""

import os
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

from tests.plugins.scripts.survivors import empty, gone, marked

ROOT = Path(__file__).parents[3]

# Its many threads matter: they make a process end slowly enough for its children to see it half gone.
NODE = """
import asyncio, sys, threading, time
sys.path.insert(0, {root!r})
from tests.plugins.scripts.recording import RecordingContext
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings

for _ in range(20):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
handler = ExecuteScript(ScriptsSettings(directory={directory!r}))
payload = ExecuteScriptPayload(script={script!r}, env={{"MARK": {mark!r}}})

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


@contextmanager
def node_running(
    script: str, directory: Path, mark: str, *, uvloop: bool = False, what: str = "one", task_id: int = 7
) -> Iterator[subprocess.Popen[bytes]]:
    """A process like a kernel's, whose script has said "ready"."""
    code = NODE.format(
        root=str(ROOT), directory=str(directory), script=script, mark=mark, uvloop=uvloop, what=what, task_id=task_id
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as node:
        try:
            assert node.stdout
            assert node.stdout.readline() == b"ready\n"
            yield node
        finally:
            node.kill()


def scripts_of(node: subprocess.Popen[bytes], mark: str) -> list[int]:
    return [pid for pid in marked(mark) if pid != node.pid]
