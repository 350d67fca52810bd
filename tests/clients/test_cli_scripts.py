"""`windlass scripts …`: a script is kept, looked at, run by name and removed, against a real kernel."""

import json
from pathlib import Path

import pytest

from tests.clients.command_line import CommandLine
from tests.control.calling import Calling

TEXT = '# Greets\nfor ((i = 0; i < WINDLASS_PARAM_TIMES; i++)); do echo "hello $WINDLASS_PARAM_WHO"; done\n'
MORE = {"parameters": [{"name": "who", "required": True}, {"name": "times", "type": "integer", "default": 1}]}


@pytest.fixture
def greet(tmp_path: Path) -> Path:
    file = tmp_path / "greet.bash"
    file.write_text(TEXT)
    return file


async def test_from_a_file_to_the_library_to_a_run_and_out_again(operator: CommandLine, kernel: Calling, greet: Path):
    save = ("scripts", "save", str(greet), "--description", "Greets people", "--more", json.dumps(MORE))
    saved = await operator.run(*save)
    assert (saved.code, saved.text) == (0, "script greet: saved as version 1\n"), saved
    assert (await operator.run(*save, "--expected", "0")).code == 7

    header, line = (await operator.run("scripts", "list")).text.splitlines()
    assert header.split() == ["Script", "Version", "Interpreter", "Parameters", "Description", "Saved", "By"]
    assert line.split()[:7] == ["greet", "1", "bash", "who*,", "times", "Greets", "people"]

    ran = await operator.run("scripts", "run", "greet", "who=Ada B", "times=2")
    assert (ran.code, ran.text) == (0, "hello Ada B\nhello Ada B\n")
    assert "greet, version 1: saved 20" in ran.errors
    refused = await operator.run("scripts", "run", "greet", "--retries", "1")
    assert refused.code == 1
    assert "parameters.who: is required; give text" in refused.errors

    shown = await operator.run("scripts", "show", "greet@1", "-o", "json")
    assert json.loads(shown.out)["text"] == TEXT
    assert "hello $WINDLASS_PARAM_WHO" in (await operator.run("scripts", "show", "greet")).text
    assert len((await operator.run("scripts", "versions", "greet", "-o", "jsonl")).text.splitlines()) == 1

    assert (await operator.run("scripts", "delete", "greet", "--yes")).text == "script greet: deleted\n"
    assert (await operator.run("scripts", "list")).errors.startswith("There are no scripts.")


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show", "absent"), 7, "there is no script 'absent'"),
        (("show", "greet@new"), 6, "a version is a number, as in greet@3"),
        (("run", "greet", "who"), 2, "a parameter takes NAME=VALUE"),
        (("delete", "greet"), 2, "add --yes"),
        (("save", "FILE", "--more", "[]"), 6, "--more takes a JSON object"),
        (("save", "FILE", "--interpreter", "cobol"), 7, "interpreter: 'cobol' is not allowed here"),
    ],
)
async def test_what_goes_wrong_is_one_line_and_an_exit_code(
    operator: CommandLine, kernel: Calling, greet: Path, words: tuple[str, ...], code: int, says: str
):
    ended = await operator.run("scripts", *(str(greet) if word == "FILE" else word for word in words))
    assert (ended.code, ended.errors.count("\n")) == (code, 1), ended
    assert says in ended.errors
