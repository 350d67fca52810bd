"""Tests that use a program which no Python package brings say so:

    @pytest.mark.needs(program="bwrap", package="bubblewrap")

On a machine without the program the test is not run, and the end of the report says which package to install for it.
In CI (`CI` is set) it fails: there `make ci` installs the packages, so a missing one is a hole in SYSTEM_PACKAGES of
the Makefile and not a reason to run less.
"""

import os
import shutil
from collections import defaultdict

import pytest

PROPERTY = "needs"  # how a skipped report carries its package to the summary


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(program, package): the program of the system this test runs")
    config.addinivalue_line("markers", "calm: `make test` runs it beside one other at most")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        # Few backends serve all of them, so beside others they wait long.  (pgbouncer 1.18, Debian 12's, links a server
        # to a client whose pipeline waits, and under load sends nothing on.  No statement of ours travels in a pipeline
        # behind a pooler: see `perform` in connection.py.)
        if any(mark.kwargs.get("program") == "pgbouncer" for mark in item.iter_markers("needs")):
            item.add_marker("calm")


@pytest.hookimpl(tryfirst=True)  # before any fixture starts a server for nothing
def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("needs"):
        _require(item, **mark.kwargs)


def _require(item: pytest.Item, *, program: str, package: str) -> None:
    if shutil.which(program):
        return
    reason = f"needs {program} (apt install {package})"
    if os.environ.get("CI"):
        pytest.fail(f"{reason}: in CI every test runs, name it in SYSTEM_PACKAGES of the Makefile", pytrace=False)
    item.user_properties.append((PROPERTY, package))
    pytest.skip(reason)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    waiting: dict[str, list[str]] = defaultdict(list)
    for report in terminalreporter.stats.get("skipped", []):
        for name, package in getattr(report, "user_properties", ()):
            if name == PROPERTY:
                waiting[package].append(report.nodeid)
    if not waiting:
        return
    terminalreporter.section("not run")
    for package, tests in sorted(waiting.items()):
        terminalreporter.line(f"not run: {len(tests)} for want of {package} (apt install {package})")
        for test in tests:
            terminalreporter.line(f"  {test}")
