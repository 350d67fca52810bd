"""Finds processes by a mark in their environment or arguments, independently of the code under test."""

import os
import time
from collections.abc import Callable
from pathlib import Path


def marked(mark: str) -> list[int]:
    """Pids of living processes that carry `mark`; zombies have neither arguments nor environment and don't count."""
    return [
        int(name) for name in os.listdir("/proc") if name.isdigit() and _carries(Path("/proc", name), mark.encode())
    ]


def gone(mark: str, within: float = 5.0) -> bool:
    """Whether all processes with `mark` end within so many seconds; 0 asks for this very moment."""
    return _comes_true(lambda: not marked(mark), within)


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


def _carries(process: Path, mark: bytes) -> bool:
    try:
        return mark in (process / "environ").read_bytes() or mark in (process / "cmdline").read_bytes()
    except OSError:
        return False
