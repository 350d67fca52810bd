"""Finds processes by a mark in their environment or arguments, independently of the code under test."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def marked(*marks: str) -> list[int]:
    """Pids of living processes with any of the marks; zombies have no arguments nor environment, and don't count."""
    wanted = [mark.encode() for mark in marks]
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and _carries(Path("/proc", name), wanted)]


def gone(*marks: str, within: float = 5.0) -> bool:
    """Whether all processes with any of the marks end within so many seconds; 0 asks for this very moment."""
    return _comes_true(lambda: not marked(*marks), within)


def empty(directory: Path, within: float) -> bool:
    """Whether all entries of `directory` are removed within so many seconds."""
    return _comes_true(lambda: not os.listdir(directory), within)


def _comes_true(condition: Callable[[], bool], within: float) -> bool:
    deadline = time.monotonic() + within
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _carries(process: Path, marks: list[bytes]) -> bool:
    try:
        shown = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
    except OSError:
        return False
    return any(mark in shown for mark in marks)
