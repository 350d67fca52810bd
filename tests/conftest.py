"""What every test may use."""

import faulthandler
import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

pytest_plugins = ["tests.needs", "tests.databases", "tests.poolers", "tests.valkeys"]

# A shell ignores Ctrl-C in what it starts in the background, and programs inherit that: those of tests must not.
signal.signal(signal.SIGINT, signal.default_int_handler)

LEFT_FOR_ITS_END = 60.0
"""Seconds for what a test tidies up after its time was over."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """End the process of a test that hangs in its teardown, where pytest-timeout has nothing left to say.

    Not by faulthandler's own timer: pytest cancels it as soon as a test fails.
    """
    due = _seconds(item)
    alarm = threading.Timer(due + LEFT_FOR_ITS_END, _give_up, [item])
    alarm.daemon = True
    if due:
        alarm.start()
    try:
        return (yield)
    finally:
        alarm.cancel()


def _seconds(item: pytest.Item) -> float:
    mark = item.get_closest_marker("timeout")
    chosen = item.config.getoption("timeout")
    return float(
        mark.args[0] if mark and mark.args else chosen if chosen is not None else item.config.getini("timeout")
    )


def _give_up(item: pytest.Item) -> None:
    if capture := item.config.pluginmanager.get_plugin("capturemanager"):
        capture.suspend(in_=True)
    print(f"\n{item.nodeid} hangs in its teardown: this run of the tests ends here", file=sys.stderr, flush=True)
    faulthandler.dump_traceback(all_threads=True)
    os._exit(1)
