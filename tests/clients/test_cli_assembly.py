"""The command line is put together from entry points, and a bad one is nobody else's problem."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from windlass_cli.exits import MEANINGS

from tests.clients.command_line import CommandLine, plugin

OURS = ("run-script", "enqueue", "active", "history", "show", "watch", "interrupt", "demo")


async def test_the_help_names_every_command_and_every_exit_code(lonely: CommandLine):
    ended = await lonely.run("--help")
    assert ended.code == 0
    assert all(f"\n  {command} " in ended.text for command in OURS)
    assert all(f"{code}  {meaning}" in ended.text for code, meaning in MEANINGS.items())
    assert ended.err == b""


async def test_without_a_command_it_is_the_help(lonely: CommandLine):
    bare, asked = await lonely.run(), await lonely.run("--help")
    assert (bare.code, bare.text) == (0, asked.text)


@pytest.mark.parametrize("command", OURS)
async def test_every_command_explains_itself(lonely: CommandLine, command: str):
    ended = await lonely.run(command, "--help")
    assert (ended.code, ended.err) == (0, b"")
    assert ended.text.startswith(f"Usage: windlass {command} ")


async def test_a_word_nobody_knows_is_a_usage_error_with_a_guess(lonely: CommandLine):
    ended = await lonely.run("histroy")
    assert ended.code == 2
    assert ended.errors == "error: No such command 'histroy'. Did you mean 'history'? (see \"windlass --help\")\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "abc"], "valid integer"),
        (["show", "0"], "greater than or equal to 1"),
        (["show"], "Missing argument 'ID'"),
        (["active", "--nonsense"], "No such option"),
        (["history", "--origin", "nobody"], "is not one of"),
        (["enqueue", "Noop", "--priority", "101"], "less than or equal to 100"),
    ],
)
async def test_a_wrong_command_line_is_one_line_and_exit_2(lonely: CommandLine, arguments: list[str], says: str):
    ended = await lonely.run(*arguments)
    assert ended.code == 2
    assert ended.errors.startswith("error: ")
    assert says in ended.errors
    assert ended.errors.count("\n") == 1


async def test_strangers_add_commands_and_groups_of_commands(tmp_path: Path):
    module = """
import typer

def greet(name: str) -> None:
    "Greets."
    print(f"hello {name}")

stars = typer.Typer(help="About stars.")

@stars.command()
def count() -> int:
    print("many")
    return 7

@stars.command()
def name() -> None:
    print("Sirius")
"""
    plugin(tmp_path, "astronomy", module, {"greet": "greet", "stars": "stars"})
    windlass = CommandLine(PYTHONPATH=str(tmp_path))
    assert "Greets." in (await windlass.run("--help")).text
    assert (await windlass.run("greet", "Ada")).text == "hello Ada\n"
    counted = await windlass.run("stars", "count")
    assert (counted.text, counted.code) == ("many\n", 7)


async def test_a_broken_stranger_is_told_in_one_line_and_takes_nobody_down(tmp_path: Path):
    plugin(tmp_path, "broken", "raise RuntimeError('no\\nluck')", {"broken": "go", "absent": "nothing"})
    windlass = CommandLine(PYTHONPATH=str(tmp_path))
    ended = await windlass.run("--help")
    assert ended.code == 0
    assert "history" in ended.text
    assert ended.errors.splitlines() == [
        "warning: the command absent cannot be loaded from broken:nothing: RuntimeError: no luck",
        "warning: the command broken cannot be loaded from broken:go: RuntimeError: no luck",
    ]
    asked = await windlass.run("broken")
    assert (asked.code, asked.errors.count("\n")) == (1, 1)
    assert asked.errors.startswith("error: the command broken cannot be loaded")
    assert (await windlass.run("history", "--help")).errors == ""


async def test_two_commands_of_one_name_are_told_and_one_is_taken(tmp_path: Path):
    plugin(tmp_path, "another", "def history() -> None:\n    print('mine')\n", {"history": "history"})
    ended = await CommandLine(PYTHONPATH=str(tmp_path)).run("--help")
    assert "warning: two commands are called history" in ended.errors


def test_no_command_of_ours_imports_the_kernel():
    program = """
import sys
from windlass_cli.main import run
run(["active"])
import windlass_cli.demo.play, windlass_cli.commands.run_script, windlass_cli.card, windlass_cli.gather
print([name for name in sys.modules if name.partition(".")[0] in ("windlass", "windlass_scripts")])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.strip() == "[]"


def test_the_help_does_not_load_what_only_work_needs():
    program = """
import sys
from windlass_cli.main import run
run(["active", "--help"])
print([name for name in ("grpc", "rich", "asyncio", "google.protobuf") if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.splitlines()[-1] == "[]"
