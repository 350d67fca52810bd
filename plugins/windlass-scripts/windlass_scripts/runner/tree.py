"""Finds processes through /proc and signals them without ever hitting a stranger that got a recycled pid."""

from __future__ import annotations

import os

from .signals import signal


class Process:
    """One line of /proc/<pid>/stat.  `started` (clock ticks since boot) tells it from a later owner of its pid."""

    __slots__ = ("group", "parent", "pid", "session", "started", "zombie")

    def __init__(self, pid: int, stat: bytes) -> None:
        # The name, in parentheses, may itself hold spaces and parentheses: count from the last one.
        fields = stat[stat.rindex(b")") + 2 :].split()
        self.pid = pid
        self.zombie = fields[0] in b"ZX"
        self.parent = int(fields[1])
        self.group = int(fields[2])
        self.session = int(fields[3])
        self.started = int(fields[19])

    def send(self, number: int) -> None:
        """Signal it, if it is still there.

        The descriptor pins whoever has the pid now; only then is its start time compared.  So if the process ended
        in between, the signal goes nowhere.
        """
        try:
            pinned = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        except OSError:  # a kernel before 5.3, or a container that forbids the call
            _quietly_kill(self, number)
            return
        try:
            if _is_still(self):
                signal.pidfd_send_signal(pinned, number)
        except OSError:
            pass
        finally:
            os.close(pinned)


def processes() -> list[Process]:
    """All processes we can see, zombies included."""
    found = (look_up(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process]


def descendants(root: int) -> list[Process]:
    """The living descendants of `root`, itself not among them, parents before children."""
    children: dict[int, list[Process]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    below = list(children.get(root, ()))
    for process in below:  # grows while we walk
        below.extend(children.get(process.pid, ()))
    return [process for process in below if not process.zombie]


def look_up(pid: int) -> Process | None:
    try:
        fd = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        return Process(pid, os.read(fd, 4096))
    except OSError:  # it ended between the two calls
        return None
    finally:
        os.close(fd)


def _is_still(process: Process) -> bool:
    now = look_up(process.pid)
    return now is not None and now.started == process.started


def _quietly_kill(process: Process, number: int) -> None:
    try:
        if _is_still(process):
            os.kill(process.pid, number)
    except OSError:
        pass
