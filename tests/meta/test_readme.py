"""What the pages tell people to type exists: every `make X` and `windlass X --option` in a ```console block."""

import io
import os
import re
import shlex
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from functools import cache
from unittest.mock import patch

from windlass_cli.main import run

from tests.meta.house import ROOT, files

CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Every simple command after a `$ ` prompt, its environment and redirections left out."""
    found = []
    for block in CONSOLE.findall(text):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            if line.startswith("$ "):
                found += _simple_commands(line.removeprefix("$ "))
    return found


def _simple_commands(line: str) -> list[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    simple: list[list[str]] = [[]]
    for token in lexer:
        if set(token) <= set("|&;"):
            simple.append([])
        else:
            simple[-1].append(token)
    return [_without_environment(words) for words in simple if words]


def _without_environment(words: list[str]) -> list[str]:
    while words and re.match(r"^\w+=", words[0]):
        words = words[1:]
    return words


def _documented() -> list[tuple[str, list[str]]]:
    pages = [name for name in files() if name.endswith(".md")]
    return [(page, command) for page in pages for command in commands((ROOT / page).read_text()) if command]


def _documented_as(program: str) -> dict[str, list[str]]:
    return {f"{page}: {' '.join(command)}": command for page, command in _documented() if command[0] == program}


@cache
def _help(*words: str) -> str | None:
    """What `windlass … --help` says, or None when there is no such command."""
    said = io.StringIO()
    environment = {"COLUMNS": "300", "NO_COLOR": "1", "TERM": "dumb"}
    # In this process: a program for each of some fifty commands takes ten seconds of a processor.
    with patch.dict(os.environ, environment), redirect_stdout(said), redirect_stderr(io.StringIO()):
        code = run([*words, "--help"])
    return said.getvalue() if code == 0 else None


def complaints(command: list[str]) -> list[str]:
    """What is wrong with one `windlass …` line: an unknown command, or options its help does not know."""
    words = command[1 : command.index("--")] if "--" in command else command[1:]
    path: list[str] = []
    text = _help()
    for word in words:
        if word.startswith("-") or text is None or "COMMAND [ARGS]" not in text:
            break
        path.append(word)
        text = _help(*path)
    if text is None:
        return [f"windlass {' '.join(path)}: no such command"]
    options = {word.split("=")[0] for word in words if re.match(r"^--?[a-zA-Z]", word)}
    return [f"windlass {' '.join(path)}: no option {option}" for option in sorted(options) if not _knows(text, option)]


def _knows(text: str, option: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text) is not None


def test_the_readme_shows_the_two_commands_that_set_everything_up():
    shown = commands((ROOT / "README.md").read_text())
    assert ["make", "demo"] in shown
    assert ["make", "test"] in shown


def test_every_make_target_that_a_page_names_exists():
    unknown = {}
    for where, command in _documented_as("make").items():
        dry = subprocess.run(["make", "-n", *command[1:]], cwd=ROOT, capture_output=True, text=True)
        if dry.returncode != 0:
            unknown[where] = dry.stderr
    assert unknown == {}


def test_every_windlass_command_that_a_page_names_exists():
    wrong = {where: complaints(command) for where, command in _documented_as("windlass").items()}
    assert {where: what for where, what in wrong.items() if what} == {}


def test_a_command_that_does_not_exist_is_seen():
    assert complaints(["windlass", "no-such-command"]) == ["windlass no-such-command: no such command"]
    assert complaints(["windlass", "--no-such-option"]) == ["windlass : no option --no-such-option"]


def test_console_blocks_are_read_as_a_shell_reads_them():
    text = "```console\n$ A=1 windlass serve & \n$ windlass show 1 -o json | jq .state > card\nPENDING\n```\n"
    assert commands(text) == [
        ["windlass", "serve"],
        ["windlass", "show", "1", "-o", "json"],
        ["jq", ".state", ">", "card"],
    ]
