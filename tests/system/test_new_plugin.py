"""`windlass plugin new`: what it writes is tested, built, installed, found by a server, and runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from windlass.scaffold.errors import NotWritten
from windlass.scaffold.names import Names
from windlass.scaffold.writing import write_plugin

from tests.system.serving import WINDLASS, home_in


def new(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [WINDLASS, "plugin", "new", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("acme")
    wrote = new(folder, "acme-notes")
    assert (wrote.returncode, wrote.stderr) == (0, "")
    assert wrote.stdout.startswith("acme-notes is a plugin for tasks of the kind AcmeNotes")
    return folder / "acme-notes"


@pytest.fixture(scope="module")
def installed(plugin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin, built and installed by pip as anyone would."""
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(plugin)], check=True)
    return target


def test_it_is_a_whole_distribution(plugin: Path) -> None:
    package = ["__init__.py", "handler.py", "py.typed", "settings.py"]
    expected = [".gitignore", "README.md", *(f"acme_notes/{name}" for name in package), "pyproject.toml"]
    assert set(files(plugin)) >= {*expected, "tests/test_handler.py"}
    assert [name for name in files(plugin) if "$" in (plugin / name).read_text() and name.endswith(".py")] == []


def test_its_own_tests_pass_against_what_was_installed(plugin: Path, installed: Path) -> None:
    environ = {**os.environ, "PYTHONPATH": str(installed)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:asyncio",
        "-p",
        "no:cacheprovider",
        str(plugin / "tests"),
    ]
    ran = subprocess.run(command, cwd=plugin, env=environ, capture_output=True, text=True, timeout=100)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "11 passed" in ran.stdout


def test_it_is_styled_and_typed_as_ours_are(plugin: Path) -> None:
    strict = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull, "acme_notes", "tests"]
    for command in (
        [sys.executable, "-m", "ruff", "check"],
        [sys.executable, "-m", "ruff", "format", "--check"],
        strict,
    ):
        checked = subprocess.run(command, cwd=plugin, capture_output=True, text=True, timeout=100)
        assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_server_finds_it_and_runs_its_task_with_its_settings(tmp_path: Path, dsn: str, installed: Path) -> None:
    config = tmp_path / "windlass.toml"
    config.write_text('[plugins.acme-notes]\ngreeting = "good day"\n')
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, PYTHONPATH=str(installed)) as home:
        home.serve("--config", str(config))
        answer = home.run("enqueue", "AcmeNotes", "--payload", '{"name": "Ada", "times": 2}', "--wait")
        assert answer.returncode == 0, answer.stderr
        card = home.ask("show", "1")
    assert (card["state"], card["task"]["title"]) == ("COMPLETED", "greet Ada")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("AcmeNotes", "acme-notes would do"),
        ("acme_notes", "acme-notes would do"),
        ("../notes", "is no name: use at most 50 small letters, digits and single dashes; notes would do"),
        ("x" * 51, "is no name"),
        ("json", "json is a word of Python's own; my-json would do"),
        ("class", "my-class would do"),
        ("windlass", "a package windlass is there already"),
        ("msgspec", "a package msgspec is there already; my-msgspec would do"),
    ],
)
def test_a_name_that_will_not_do_is_refused_in_one_line(tmp_path: Path, name: str, words: str) -> None:
    refused = new(tmp_path, name)
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1
    assert words in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes").write_text("keep me")
    refused = new(tmp_path, "mine")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert "mine exists already: take another name, or another --directory" in refused.stderr
    assert files(tmp_path) == ["mine/notes"]
    absent = new(tmp_path, "mine", "--directory", "absent")
    assert (absent.returncode, absent.stderr) == (1, "error: there is no folder absent\n")


def test_a_plugin_that_can_not_be_written_whole_is_not_written_at_all(tmp_path: Path) -> None:
    too_long = Names("acme-notes", "n" * 300, "AcmeNotes")
    with pytest.raises(NotWritten, match="acme-notes can't be written: File name too long"):
        write_plugin(too_long, tmp_path)
    assert list(tmp_path.iterdir()) == []
