"""The shape of the tree: where things are, how they are called, how long they get."""

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import NamedTuple

from tests.meta.house import PART_FOLDERS, ROOT, files, parts, python_files

TOP_FOLDERS = {*PART_FOLDERS, "tests", "docs", "bench", "deploy", ".ci"}
NAMES_THAT_SAY_NOTHING = {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}
LINES_A_FILE = 400
LINES_A_FUNCTION = 50
LINES_NINE_FUNCTIONS_IN_TEN = 25


def test_the_top_level_folders_are_the_ones_the_design_names():
    folders = {PurePosixPath(name).parts[0] for name in files() if "/" in name}
    assert folders <= TOP_FOLDERS
    assert {*PART_FOLDERS, "tests"} <= folders


def test_the_part_folders_are_no_packages_themselves():
    assert [folder for folder in PART_FOLDERS if (ROOT / folder / "__init__.py").exists()] == []


def test_every_part_is_one_distribution_with_one_typed_package():
    for part in parts():
        assert part.distribution in ("windlass-proto", "windlass-kernel", part.folder.name), part
        assert (part.folder / part.package / "py.typed").exists(), part
    assert len({part.folder for part in parts()}) == len(parts())


def test_no_module_has_a_name_that_says_nothing():
    words = {name: set(PurePosixPath(name).with_suffix("").parts) for name in python_files(tests=True)}
    assert [name for name, parts_of_it in words.items() if parts_of_it & NAMES_THAT_SAY_NOTHING] == []


def test_no_file_is_longer_than_one_can_hold_in_mind():
    lengths = {name: len((ROOT / name).read_text().splitlines()) for name in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_A_FILE} == {}


def test_no_function_is_longer_than_a_screen():
    assert [function for function in _functions() if function.lines > LINES_A_FUNCTION] == []


def test_nine_functions_in_ten_are_short():
    lengths = sorted(function.lines for function in _functions())
    p90 = lengths[int(len(lengths) * 0.9)] if lengths else 0
    assert p90 <= LINES_NINE_FUNCTIONS_IN_TEN


class Function(NamedTuple):
    file: str
    name: str
    lines: int


def _functions() -> Iterator[Function]:
    """Every function of ours, with its lines, the docstring's not counted."""
    for name in python_files():
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield Function(name, node.name, _lines(node))


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node, clean=False) is not None:
        assert first.end_lineno is not None
        lines -= first.end_lineno - first.lineno + 1
    return lines
