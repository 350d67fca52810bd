"""Finds the descendants of a process through /proc."""

import os


def descendants(root: int) -> list[int]:
    """The pids of the living descendants of `root`, itself not among them, parents before children."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (parent := _parent(name)) is not None:
            children.setdefault(parent, []).append(int(name))
    below = list(children.get(root, ()))
    for pid in below:  # grows while we walk
        below.extend(children.get(pid, ()))
    return below


def _parent(pid: str) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return None
    # The name, in brackets, may itself hold spaces and brackets: count from the last one.
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[0] in (b"Z", b"X") else int(fields[1])


def signal_all(pids: list[int], number: int) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except OSError:
            continue
