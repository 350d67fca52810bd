"""What the shells are offered behind a TAB."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.clients.command_line import CommandLine
from tests.clients.fake_server import FakeServer, World, a_task, hangs
from tests.control.calling import Calling


async def offered(line: CommandLine, *words: str, shell: str = "bash") -> list[str]:
    """For `windlass <words>`, the last one unfinished."""
    typed = " ".join(["windlass", *words])
    line.environ |= {
        "_WINDLASS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(words)),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    ended = await line.run()
    assert ended.err == b""
    return [line for line in ended.text.splitlines() if line]


async def test_nouns_verbs_and_formats_are_offered(lonely: CommandLine):
    assert await offered(lonely, "sche") == ["schedules"]
    assert "ticks" in await offered(lonely, "schedules", "")
    assert await offered(lonely, "active", "-o", "j") == ["json", "jsonl"]


@pytest.mark.parametrize("words", [("show",), ("tasks", "watch"), ("tasks", "interrupt"), ("logs", "-f")])
async def test_ids_of_tasks_that_are_there_are_offered(windlass: CommandLine, world: World, words: tuple[str, ...]):
    world.tasks = {n: a_task(n, title=f"task {n}") for n in (7, 71, 8)}
    assert await offered(windlass, *words, "7") == ["7", "71"]


async def test_zsh_and_fish_get_titles_beside_ids_made_harmless(windlass: CommandLine, world: World):
    world.tasks = {7: a_task(7, title="nightly \x1b[31m")}
    assert await offered(windlass, "show", "7", shell="fish") == ["7\tPending: nightly \\x1b[31m"]
    (zsh,) = await offered(windlass, "show", "7", shell="zsh")
    assert '"7":"Pending' in zsh
    assert "\x1b" not in zsh


async def test_names_of_schedules_are_offered(operator: CommandLine, kernel: Calling):
    for name in ("nightly", "nightly-two", "poll"):
        await operator.run("schedules", "create", name, "--every", "1d", "--kind", "Echo")
    assert await offered(operator, "schedules", "pause", "ni") == ["nightly", "nightly-two"]


async def test_profiles_are_offered_without_a_server(lonely: CommandLine, tmp_path: Path):
    (tmp_path / "windlass").mkdir()
    (tmp_path / "windlass" / "profiles.toml").write_text('[here]\naddress = "h:1"\n[there]\naddress = "t:1"\n')
    lonely.environ["XDG_CONFIG_HOME"] = str(tmp_path)
    assert await offered(lonely, "tasks", "list", "--profile", "th") == ["there"]
    assert await offered(lonely, "--profile", "") == ["here", "there"]


async def test_without_a_server_nothing_is_offered_and_nothing_is_said(lonely: CommandLine):
    assert await offered(lonely, "show", "") == []


async def test_a_server_that_does_not_answer_costs_two_seconds_at_most(windlass: CommandLine, server: FakeServer):
    server.world.faults.extend([hangs, hangs])
    began = time.monotonic()
    assert await offered(windlass, "show", "") == []
    assert time.monotonic() - began < 8  # the command's own start, on a busy machine, and 1.5 s


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_there_is_a_script_for_each_shell(lonely: CommandLine, shell: str, tmp_path: Path):
    lonely.environ["_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION"] = "1"
    ended = await lonely.run("--show-completion", shell)
    assert ended.code == 0
    assert "_WINDLASS_COMPLETE" in ended.text
    can_be_read_by(shell, ended.out)


def can_be_read_by(shell: str, script: bytes) -> None:
    """Where this machine has that shell."""
    if program := shutil.which(shell):
        subprocess.run([program, "-n"], input=script, check=True)
