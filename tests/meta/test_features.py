"""docs/features.md: every promise has a row, every row names the test that holds it, and that test exists."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.meta.house import ROOT, names_of_tests

FEATURES = ROOT / "docs" / "features.md"
TEST = re.compile(r"(?P<path>tests/[\w/.\-]+\.py)::(?P<name>\w+)")


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    promise: str
    test: str


def rows(text: str) -> list[Row]:
    """The body rows of every table whose heading is | id | promise | test |."""
    found, inside = [], False
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if not line.lstrip().startswith("|"):
            inside = False
        elif [cell.lower() for cell in cells] == ["id", "promise", "test"]:
            inside = True
        elif inside and not set(line) <= set("|-: "):
            found.append(Row(*cells) if len(cells) == 3 else Row(cells[0], line, ""))
    return found


def problems(row: Row, root: Path = ROOT) -> list[str]:
    tests = [(match["path"], match["name"]) for match in TEST.finditer(row.test)]
    if not tests:
        return [f"{row.id} names no test (tests/path.py::test_name)"]
    return [
        f"{row.id}: {path}::{name} does not exist" for path, name in tests if name not in names_of_tests(root / path)
    ]


def test_every_promise_has_a_test_that_exists():
    assert FEATURES.exists(), "docs/features.md is missing"
    found = rows(FEATURES.read_text())
    assert found, "docs/features.md has no table | id | promise | test |"
    assert [problem for row in found for problem in problems(row)] == []


def test_every_promise_has_an_id_of_its_own():
    ids = [row.id for row in rows(FEATURES.read_text())]
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize(
    ("cell", "complaint"),
    [
        ("", "names no test"),
        ("soon", "names no test"),
        ("`tests/no_such_file.py::test_it`", "does not exist"),
        ("`tests/test_it.py::test_another`", "does not exist"),
        ("`tests/test_it.py::not_a_test`", "does not exist"),
        ("`tests/test_it.py::test_it`, `tests/test_it.py::test_another`", "does not exist"),
    ],
)
def test_a_row_without_a_living_test_is_seen(tmp_path, cell, complaint):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_it.py").write_text("async def test_it(): ...\ndef not_a_test(): ...\n")
    (row,) = rows(f"| id | promise | test |\n|---|---|---|\n| B1 | it works | {cell} |\n")
    (problem,) = problems(row, tmp_path)
    assert complaint in problem
    assert problems(Row("B2", "it works", "`tests/test_it.py::test_it`"), tmp_path) == []
