"""Every snippet of the client's README runs as it stands there, one after another, against a real server."""

import ast
import asyncio
import inspect
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from windlass_client import Client

from tests.control.calling import TOKEN, Calling

README = Path(__file__).parents[2] / "clients/windlass-client/README.md"


def snippets() -> Iterator[str]:
    for found in re.finditer(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL):
        # In its place in the file, so that an error names the line of the README.
        yield "\n" * README.read_text()[: found.start(1)].count("\n") + found[1]


# A task of gRPC's own that the end of a loop overtakes now and then, on a busy machine: its call is over.
LEFT_BEHIND = re.compile(
    rb"Task was destroyed but it is pending!\ntask: <Task pending [^\n]*coro=<_AioCall\._handle_[^\n]*\n"
)

PROGRAMS = [each for each in snippets() if "Client.connect()" in each]
PARTS = [each for each in snippets() if "Client.connect()" not in each]


async def test_each_whole_program_of_the_readme_runs(kernel: Calling):
    environment = os.environ | {"WINDLASS_ADDRESS": kernel.address, "WINDLASS_TOKEN": TOKEN}
    for program in PROGRAMS:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", program),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        said, complained = await asyncio.wait_for(process.communicate(), 60)
        assert (process.returncode, LEFT_BEHIND.sub(b"", complained)) == (0, b"")
        assert said
    assert len(PROGRAMS) == 2


async def test_the_parts_of_the_readme_run_one_after_another(
    kernel: Calling, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    async with Client.connect(kernel.address, TOKEN) as client:
        names: dict[str, Any] = {"client": client}
        for part in PARTS:
            await run(compile(part, README, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    assert len(PARTS) >= 7
    assert names["result"]["exit_code"] == 0
    assert (len(names["handles"]), len(names["stored"])) == (10, 200)
    assert names["output"] == b"mailed\n"
    said = capsys.readouterr().out
    assert "TASK_OVER" in said
    assert "task.kind" in said


async def run(code: CodeType, names: dict[str, Any]) -> None:
    made = eval(code, names)
    if inspect.isawaitable(made):
        await made
