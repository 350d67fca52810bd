"""The command line is put together from entry points, and a bad one is nobody else's problem."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from windlass_cli.exits import MEANINGS
from windlass_cli.main import run

from tests.clients.command_line import CommandLine, plugin

COMMANDS = ("run-script", "enqueue", "active", "show", "watch", "logs", "explain", "interrupt", "overview", "doctor")
NOUNS = {
    "tasks": "list show watch logs explain enqueue run-script interrupt retry reprioritize",
    "history": "list show",
    "scripts": "list show versions save delete run",
    "schedules": "list show create update delete pause resume run ticks",
    "pools": "list show resize pause resume",
    "kinds": "list show pause resume",
    "lanes": "list",
    "nodes": "list drain resume",
    "cluster": "show reload",
    "tokens": "create list revoke",
    "audit": "list",
    "operations": "list show call",
    "profiles": "list add use",
    "config": "check",
}
VERBS = [(noun, verb) for noun, verbs in NOUNS.items() for verb in verbs.split()]


Here = Callable[..., tuple[int, str, str]]


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Here:
    """The command line in this process, for what needs none of its own: its exit code, stdout and stderr."""
    monkeypatch.setenv("GRPC_VERBOSITY", "NONE")  # it would set that itself, for all tests to come
    monkeypatch.setenv("COLUMNS", "80")

    def called(*arguments: str) -> tuple[int, str, str]:
        code = run(list(arguments))
        return code, *capsys.readouterr()

    return called


async def test_the_help_names_every_command_and_every_exit_code(lonely: CommandLine):
    ended = await lonely.run("--help")
    assert ended.code == 0
    assert all(f"\n  {command} " in ended.text for command in (*COMMANDS, *NOUNS, "whoami", "demo", "serve"))
    assert all(f"{code}  {meaning}" in ended.text for code, meaning in MEANINGS.items())
    assert ended.err == b""


async def test_without_a_command_it_is_the_help(lonely: CommandLine):
    bare, asked = await lonely.run(), await lonely.run("--help")
    assert (bare.code, bare.text) == (0, asked.text)


@pytest.mark.parametrize("words", [*((command,) for command in (*COMMANDS, "whoami", "demo")), *VERBS], ids=" ".join)
def test_every_command_explains_itself(here: Here, words: tuple[str, ...]):
    code, out, errors = here(*words, "--help")
    assert (code, errors) == (0, "")
    assert out.startswith(f"Usage: windlass {' '.join(words)} ")


async def test_a_command_as_a_process_says_the_same(lonely: CommandLine, here: Here):
    ended = await lonely.run("tasks", "retry", "--help")
    assert (ended.code, ended.text, ended.errors) == here("tasks", "retry", "--help")


@pytest.mark.parametrize("noun", set(NOUNS) - {"history"})
def test_a_noun_alone_is_its_help_with_every_verb(here: Here, noun: str):
    code, out, errors = here(noun)
    assert (code, errors) == (0, "")
    verbs = re.findall(r"^  ([a-z-]+)  ", out.partition("Commands:")[2], re.MULTILINE)
    assert set(verbs) == set(NOUNS[noun].split())


async def test_a_wrong_verb_is_told_with_a_guess(lonely: CommandLine):
    ended = await lonely.run("schedules", "pasue", "nightly")
    assert ended.code == 2
    assert "No such command 'pasue'. Did you mean 'pause'?" in ended.errors


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
        (["active", "--watch", "--limit", "0"], "--watch takes a --limit from 1 to 200; choose by --filter"),
        (["tasks", "list", "-w", "-n", "201"], "--watch takes a --limit from 1 to 200"),
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


async def test_a_stranger_adds_a_verb_to_a_noun_of_ours_and_one_to_a_noun_of_nobody(tmp_path: Path):
    module = """
def empty(pool: str) -> None:
    "Empties a pool."
    print(f"{pool} is empty")

def orbit() -> None:
    print("round")
"""
    plugin(tmp_path, "more", module, {"pools.empty": "empty", "moons.orbit": "orbit"})
    windlass = CommandLine(PYTHONPATH=str(tmp_path))
    assert (await windlass.run("pools", "empty", "feeds")).text == "feeds is empty\n"
    verbs = (await windlass.run("pools", "--help")).text
    assert "Empties a pool." in verbs
    assert "resize" in verbs
    assert (await windlass.run("moons", "orbit")).text == "round\n"
    assert "\n  moons " in (await windlass.run("--help")).text


async def test_a_verb_that_cannot_be_loaded_leaves_the_noun_as_it_is(tmp_path: Path):
    plugin(tmp_path, "broken", "raise RuntimeError('no luck')", {"pools.empty": "empty"})
    ended = await CommandLine(PYTHONPATH=str(tmp_path)).run("pools", "--help")
    assert ended.code == 0
    assert "resize" in ended.text
    assert ended.errors.startswith("warning: the command pools.empty cannot be loaded from broken:empty")


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
import windlass_cli.demo.play, windlass_cli.checkup, windlass_cli.picture, windlass_cli.live, windlass_cli.gather
import windlass_cli.top.app
print([name for name in sys.modules if name.partition(".")[0] in ("windlass", "windlass_scripts")])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (
            ["--help"],
            ["grpc", "rich", "textual", "google.protobuf"],
        ),  # it names the kernel's commands too: those bring asyncio
        (["active", "--help"], ["grpc", "rich", "google.protobuf", "asyncio"]),
        (["top", "--help"], ["grpc", "rich", "textual", "google.protobuf", "asyncio"]),
        (["schedules", "create", "--help"], ["grpc", "rich", "google.protobuf", "asyncio"]),
    ],
)
def test_the_help_does_not_load_what_only_work_needs(arguments: list[str], heavy: list[str]):
    program = f"""
import sys
from windlass_cli.main import run
run({arguments})
print([name for name in {heavy} if name in sys.modules])
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.splitlines()[-1] == "[]"
