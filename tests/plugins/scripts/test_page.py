"""The examples of docs/scripts.md, run as they stand there."""

import json
import re
import sys
import tomllib

import msgspec
import pytest
import windlass_scripts
from windlass.testing import Harness
from windlass_scripts import ScriptsSettings

from tests.meta.house import ROOT

PAGE = (ROOT / "docs" / "scripts.md").read_text("utf-8")


def block(name: str) -> str:
    found = re.search(rf"<!-- {re.escape(name)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found, name
    return found[1]


@pytest.fixture
async def harness(directory, tmp_path):
    (tmp_path / "vault" / "prod").mkdir(mode=0o700, parents=True)
    (tmp_path / "vault").chmod(0o700)
    (tmp_path / "vault" / "prod" / "db").write_text("s3same-open\n")
    (tmp_path / "vault" / "prod" / "db").chmod(0o600)
    settings = {
        "directory": str(directory),
        "secrets_directory": str(tmp_path / "vault"),
        "interpreters": {"sh": ["sh"], "python3": [sys.executable, "-u"]},
    }
    async with Harness(windlass_scripts, settings={"scripts": settings}) as harness:
        yield harness


async def test_the_script_of_the_library(harness, mark, tmp_path):
    old = tmp_path / "old"
    old.mkdir()
    for name in ("a", "b"):
        (old / name).touch()
    await harness.call("save", {"name": "cleanup", "text": block("cleanup.sh")} | json.loads(block("cleanup.json")))
    given = {"library": "cleanup", "parameters": {"path": str(old), "days": -1, "real": True}, "env": {"MARK": mark}}
    run = await harness.run("ExecuteScript", given, within=30)
    run.assert_succeeded().assert_stages("running", "looking", "removing")
    assert run.result["result"] == {"files": 2}
    assert (run.progress[-1].current, run.progress[-1].total) == (2, 2)
    assert list(old.iterdir()) == []


async def test_the_script_in_python(harness, mark):
    given = {"script": block("count.py"), "interpreter": "python3", "env": {"MARK": mark}}
    run = await harness.run("ExecuteScript", given, within=30)
    run.assert_succeeded().assert_step("counted", to=3)
    assert run.progress[-1].total == 3


async def test_the_script_with_a_secret(harness, mark):
    run = await harness.run("ExecuteScript", json.loads(block("login.json")) | {"env": {"MARK": mark}}, within=30)
    run.assert_succeeded()
    assert run.output["stdout"] == b"logging in with [secret DB]\n"


def test_the_settings_are_taken_as_they_stand_there():
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    told = tomllib.loads(table)["plugins"]["scripts"]
    msgspec.convert(told, ScriptsSettings)
    assert set(told) <= set(ScriptsSettings.__struct_fields__)
