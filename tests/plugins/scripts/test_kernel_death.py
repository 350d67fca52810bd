"""The kernel process is killed with -9: nothing of its scripts may go on, for the next node runs the task again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.plugins.scripts.survivors import empty, gone, marked

ROOT = Path(__file__).parents[3]

NODE = """
import asyncio, sys
sys.path.insert(0, {root!r})
from tests.plugins.scripts.recording import RecordingContext
from windlass_scripts import ExecuteScript, ExecuteScriptPayload, ScriptsSettings

async def main():
    ctx = RecordingContext()
    handler = ExecuteScript(ScriptsSettings(directory={directory!r}))
    running = asyncio.create_task(handler.run(ctx, ExecuteScriptPayload(script={script!r}, env={{"MARK": {mark!r}}})))
    await ctx.saw(b"ready")
    print("ready", flush=True)
    await running

if {uvloop!r}:
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@pytest.mark.parametrize("uvloop", [False, True])
@pytest.mark.parametrize(
    "script",
    [
        "echo ready; sleep 600",
        "trap '' TERM HUP INT; echo ready; while :; do sleep 1; done",
        "setsid sleep 600 & (setsid sh -c 'trap \"\" TERM; sleep 600' &); touch file; echo ready; wait",
    ],
)
def test_scripts_and_their_files_die_with_the_kernel(directory, mark, script, uvloop):
    with node_running(script, directory, mark, uvloop=uvloop) as node:
        os.kill(node.pid, signal.SIGKILL)
    assert gone(mark, within=2)
    assert empty(directory, within=2)


def test_a_script_dies_with_its_runner_although_nobody_looks_after_it(directory, mark):
    with node_running("echo ready; exec sleep 600", directory, mark) as node:
        (script,) = scripts_of(node, mark)
        os.kill(node.pid, signal.SIGSTOP)
        runner = psutil.Process(script).parent()
        assert runner
        runner.kill()
        psutil.Process(script).wait(timeout=2)
        os.kill(node.pid, signal.SIGCONT)
        assert node.wait(timeout=5) == 0


@contextmanager
def node_running(script: str, directory: Path, mark: str, *, uvloop: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    """A process like a kernel's, whose script has said "ready"."""
    code = NODE.format(root=str(ROOT), directory=str(directory), script=script, mark=mark, uvloop=uvloop)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as node:
        assert node.stdout
        assert node.stdout.readline() == b"ready\n"
        assert scripts_of(node, mark)
        yield node


def scripts_of(node: subprocess.Popen[bytes], mark: str) -> list[int]:
    return [pid for pid in marked(mark) if pid != node.pid]
