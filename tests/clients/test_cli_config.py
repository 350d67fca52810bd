"""`windlass config check`: whether a server would start."""

import os
from pathlib import Path

import pytest

from tests.clients.command_line import CommandLine


@pytest.fixture
def home(lonely: CommandLine, tmp_path: Path) -> Path:
    lonely.environ["WINDLASS_HOME"] = str(tmp_path)
    return tmp_path


async def test_a_configuration_that_works_is_said_to_work_and_starts_nothing(lonely: CommandLine, home: Path):
    (home / "windlass.toml").write_text('[node]\npools = { default = 4 }\n[log]\nlevel = "debug"\n')
    ended = await lonely.run("config", "check")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.text.startswith(f"a server would start: home {home}, ")
    assert os.listdir(home) == ["windlass.toml"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[node]\npool = 3\n", "unknown key 'node.pool'; did you mean 'pools'?"),
        ("[store]\nconnections = 1\n", "store.connections must be at least 2"),
        ("[plugins.nothing]\nx = 1\n", "[plugins.nothing] belongs to no installed plugin"),
        ("[[[", "can't be read"),
        ('[server]\nlisten = "0.0.0.0:7654"\n', "0.0.0.0"),
    ],
)
async def test_what_is_wrong_is_one_line_and_exit_1(lonely: CommandLine, home: Path, text: str, says: str):
    (home / "other.toml").write_text(text)
    ended = await lonely.run("config", "check", "--config", str(home / "other.toml"))
    assert (ended.code, ended.out, ended.errors.count("\n")) == (1, b"", 1), ended
    assert says in ended.errors


async def test_the_environment_counts_too(lonely: CommandLine, home: Path):
    lonely.environ["WINDLASS_NODE_LEASE"] = "-1"
    ended = await lonely.run("config", "check")
    assert ended.code == 1
    assert ended.errors.startswith("error: configuration: node")
