"""The cgroups of one script: made before it starts, entered by its first process, killed and removed at its end.

The runner stays outside: a limit that ends the script must not end who reports it.
"""

from __future__ import annotations

import os
import time

from .plan import Group
from .signals import signal

_PATIENCE = 1.0
"""Seconds for a group to become empty: a killed process leaves it a moment after it was reaped."""


def make_groups(groups: list[Group]) -> None:
    """Make them and set their limits.  Raises OSError, with no group left, when one is refused."""
    try:
        for group in groups:
            os.mkdir(group.path, 0o755)
            for name, value in group.limits:
                _write(f"{group.path}/{name}", value)
    except OSError:
        remove_groups(groups, patience=0)
        raise


def enter_groups(groups: list[Group]) -> None:
    """Move the calling process, which has a single thread, into all of them."""
    for group in groups:
        _write(f"{group.path}/cgroup.procs", "0")


def kill_groups(groups: list[Group]) -> int:
    """SIGKILL to all inside; the number of those found in the fullest.  Call it until `remove_groups` succeeds.

    `cgroup.kill` (Linux 5.14) ends them in one step that no fork slips through.  Without it forks are forbidden first.
    """
    # Counted before, since what is killed may be gone a moment later.
    most = max((len(_inside(group)) for group in groups), default=0)
    if any(_try_write(f"{group.path}/cgroup.kill", "1") for group in groups):
        return most
    for group in groups:
        _try_write(f"{group.path}/pids.max", "0")
        inside = _inside(group)
        most = max(most, len(inside))
        for pid in inside:
            _kill(pid)
    return most


def remove_groups(groups: list[Group], patience: float = _PATIENCE) -> bool:
    """Remove them; whether none is left.  What is still inside holds its group, for the next sweep to find."""
    deadline = time.monotonic() + patience
    left = groups
    while left := [group for group in left if not _removed(group)]:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.002)
    return True


def complaints(groups: list[Group]) -> dict[str, int]:
    """How often the limits were met: processes killed for want of memory, and starts of processes refused."""
    found = {"oom_kills": 0, "forks_refused": 0}
    for group in groups:
        # One name each for cgroup v2 and v1; a group has those of its own version and controllers only.
        for name in ("memory.events", "memory.oom_control"):
            found["oom_kills"] = max(found["oom_kills"], _number(f"{group.path}/{name}", "oom_kill"))
        found["forks_refused"] = max(found["forks_refused"], _number(f"{group.path}/pids.events", "max"))
    return found


def _inside(group: Group) -> list[int]:
    try:
        with open(f"{group.path}/cgroup.procs", encoding="ascii") as file:
            return [int(line) for line in file]
    except OSError:
        return []


def _kill(pid: int) -> None:
    try:  # noqa: SIM105 - importing contextlib would cost every script a millisecond
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass


def _removed(group: Group) -> bool:
    try:
        os.rmdir(group.path)
    except FileNotFoundError:
        return True
    except OSError:  # EBUSY: somebody is still inside
        return False
    return True


def _number(path: str, key: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            pairs = (line.split() for line in file)
            return next((int(value) for name, value in pairs if name == key), 0)
    except OSError:
        return 0


def _try_write(path: str, value: str) -> bool:
    try:
        _write(path, value)
    except OSError:
        return False
    return True


def _write(path: str, value: str) -> None:
    # Not `open(…, "w")`: the file of a group that vanished must not be made anew, and one write is one request.
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)
