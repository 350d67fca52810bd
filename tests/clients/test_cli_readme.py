"""The page of the command line names every command of ours, and none that is not there."""

import re
from collections.abc import Iterator
from typing import Any

from windlass_cli.assembly import assemble

from tests.meta.house import ROOT

PAGE = ROOT / "clients" / "windlass-cli" / "README.md"
OTHERS = {"serve", "config check", "first-token", "agent", "console", "console link"}
"""What the kernel, the agent and the console bring has its own pages."""


def commands(group: Any, path: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        whole = f"{path} {name}".strip()
        if hasattr(command, "commands"):
            yield from commands(command, whole)
        else:
            yield whole


def listed(page: str) -> list[str]:
    """The commands of the tables' first column: the words before the first argument."""
    found = re.findall(r"^\| `windlass ([a-z -]+[a-z])", page, re.MULTILINE)
    return [re.split(r" -", each)[0].strip() for each in found]


def test_the_page_lists_every_command_and_only_those():
    there = {each for each in commands(assemble(["--help"])) if not each.startswith("plugin")} - OTHERS
    names = listed(PAGE.read_text("utf-8"))
    assert len(names) == len(set(names))
    assert set(names) - {"history"} == there


def test_the_page_names_every_file():
    folder = ROOT / "clients" / "windlass-cli" / "windlass_cli"
    text = PAGE.read_text("utf-8")
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py", "__main__.py"}
    assert {name for name in files if f"`{name}`" not in text} == set()
