"""What tests need of the system is listed when it is missing, fails in CI, and is installed there."""

import ast
import re

import pytest

from tests.meta.house import ROOT, files

pytest_plugins = ["pytester"]

NEEDS_AN_ABSENT_PROGRAM = """
import pytest

@pytest.mark.needs(program="no-such-program", package="no-such-package")
def test_what_cannot_run_here(): raise AssertionError("the test ran")

@pytest.mark.needs(program="sh", package="dash")
def test_what_can(): pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):
    """Runs a file of its own with the plugin, in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyfile(NEEDS_AN_ABSENT_PROGRAM)
    return lambda: pytester.runpytest_subprocess("-p", "tests.needs", "-p", "no:valkey", "--strict-markers")


def test_on_a_persons_machine_a_missing_program_is_listed_at_the_end_with_its_package(run):
    result = run()
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*= not run =*",
            "not run: 1 for want of no-such-package (apt install no-such-package)",
            "  *::test_what_cannot_run_here",
        ]
    )


def test_in_ci_a_missing_program_fails_the_test_and_names_the_package(run, monkeypatch):
    monkeypatch.setenv("CI", "true")
    result = run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*needs no-such-program (apt install no-such-package): in CI every test runs*"])
    assert "not run:" not in result.stdout.str()


def test_every_package_a_test_needs_is_installed_by_make_ci():
    line = re.search(r"^SYSTEM_PACKAGES :=(.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line is not None
    assert _packages_named_in_tests() <= set(line[1].split())


def _packages_named_in_tests() -> set[str]:
    marks = [
        node
        for name in files()
        if name.startswith("tests/") and name.endswith(".py")
        for node in ast.walk(ast.parse((ROOT / name).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "needs"
    ]
    return {ast.literal_eval(keyword.value) for mark in marks for keyword in mark.keywords if keyword.arg == "package"}
