"""The kernel process is killed with -9: nothing of its scripts may go on, for the next node runs the task again."""

import os
import signal
import subprocess
import sys
from pathlib import Path

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
    code = NODE.format(root=str(ROOT), directory=str(directory), script=script, mark=mark, uvloop=uvloop)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT) as node:
        assert node.stdout
        assert node.stdout.readline() == b"ready\n"
        scripts = [pid for pid in marked(mark) if pid != node.pid]
        assert scripts
        os.kill(node.pid, signal.SIGKILL)
    assert gone(mark, within=2)
    assert empty(directory, within=2)
