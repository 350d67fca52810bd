"""The last resort: finds a script's processes when its runner, who would know, has been killed itself."""

from __future__ import annotations

import signal
import time

from windlass_scripts.runner.groups import kill_groups, remove_groups
from windlass_scripts.runner.plan import Group
from windlass_scripts.runner.tree import Process, processes

MARKER = "WINDLASS_RUN"
"""The variable whose value, unique for each start, all processes of a script inherit."""

_PATIENCE = 3.0


def sweep(value: str, session: int, groups: list[Group]) -> tuple[int, int]:
    """Kill what carries our marker, lives in the script's session or in its groups: (processes killed, processes left).

    Blocks up to 3 s.  Without groups, a process that both changed session and dropped its environment is not found; as
    long as the runner lives there is no such gap.
    """
    marker = f"\0{MARKER}={value}\0".encode()
    killed: set[int] = set()
    deadline = time.monotonic() + _PATIENCE
    in_groups = kill_groups(groups)
    while not remove_groups(groups, patience=0) and time.monotonic() < deadline:
        kill_groups(groups)
        time.sleep(0.01)
    while True:
        found = [process for process in processes() if _belongs(process, marker, session)]
        if not found or time.monotonic() > deadline:
            return max(len(killed), in_groups), len(found)
        for process in found:
            process.send(signal.SIGKILL)
            killed.add(process.pid)
        time.sleep(0.01)  # we are in a thread; a killed process needs a moment to go


def _belongs(process: Process, marker: bytes, session: int) -> bool:
    if process.zombie:
        return False
    if session and process.session == session:
        return True
    try:
        with open(f"/proc/{process.pid}/environ", "rb") as file:
            return marker in b"\0" + file.read()
    except OSError:  # gone, or somebody else's
        return False
