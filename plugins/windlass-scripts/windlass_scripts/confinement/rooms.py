"""This kernel's own room in each cgroup tree, where runners make the groups of their scripts.

A room is held by a lock on its directory, which the system lets go when the kernel ends however it ends.  So whoever
starts next can tell a dead kernel's room from a living neighbour's, across containers and without any number that
could be recycled.
"""

from __future__ import annotations

import errno
import fcntl
import os
import uuid
from collections.abc import Sequence

import msgspec

from windlass_scripts.confinement.cgroups import LEAF, NEEDED, Tree
from windlass_scripts.confinement.levels import Limits
from windlass_scripts.runner.groups import kill_groups, remove_groups
from windlass_scripts.runner.plan import Group

PREFIX = "windlass-scripts-"
_PERIOD = 100_000
"""Microseconds over which CPU is counted: the system's own default."""

CGROUP_ADVICE = (
    "under systemd set Delegate=pids memory cpu and ProtectControlGroups=no for the service; "
    "elsewhere give its user a cgroup and name it in [plugins.scripts] cgroup"
)


class NoRoom(Exception):
    """No cgroups can be made: why, and what would help."""

    def __init__(self, reason: str, advice: str = CGROUP_ADVICE) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice


class Room(msgspec.Struct, frozen=True):
    """Our directory in one tree; `lock` is the descriptor that holds it."""

    tree: Tree
    path: str
    lock: int

    def group(self, name: str, limits: Limits) -> Group:
        return Group(f"{self.path}/{name}", [*_limits(self, limits)])


def take_rooms(trees: Sequence[Tree]) -> list[Room]:
    """A room in each.  Raises NoRoom, having left none, when the limits can't be carried or a group can't be made."""
    missing = set(NEEDED).difference(*(tree.controllers for tree in trees))
    if missing:
        raise NoRoom(f"no cgroup tree here carries limits of {', '.join(sorted(missing))}")
    rooms: list[Room] = []
    try:
        for tree in trees:
            rooms.append(_take(tree))
            if tree.version == 2 and tree.controllers:
                _hand_down(rooms[-1])
    except OSError as error:
        leave_rooms(rooms)
        raise NoRoom(f"no cgroup can be made: {error.filename or ''}: {os.strerror(error.errno or 0)}") from error
    return rooms


def leave_rooms(rooms: Sequence[Room]) -> None:
    """Give them back."""
    for room in rooms:
        remove_groups([Group(room.path, [])], patience=0)
        os.close(room.lock)


def sweep_rooms(trees: Sequence[Tree]) -> int:
    """Kill and remove what dead kernels left; the number of groups.  Rooms of the living are locked."""
    swept = 0
    for tree in trees:
        try:
            names = [name for name in os.listdir(tree.base) if name.startswith(PREFIX)]
        except OSError:
            continue
        for name in names:
            swept += _sweep(f"{tree.base}/{name}")
    return swept


def step_aside(base: str) -> None:
    """Move every process of the group into its `LEAF`: version 2 gives no limits below a group that has processes."""
    os.makedirs(f"{base}/{LEAF}", exist_ok=True)
    with open(f"{base}/cgroup.procs", encoding="ascii") as file:
        for pid in file.read().split():
            try:
                _write(f"{base}/{LEAF}/cgroup.procs", pid)
            except ProcessLookupError:
                continue


def _take(tree: Tree) -> Room:
    for _ in range(5):
        path = f"{tree.base}/{PREFIX}{uuid.uuid4().hex[:12]}"
        os.mkdir(path, 0o755)
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.isdir(path):
                return Room(tree, path, lock)
        except BlockingIOError:  # a sweep that began before we could lock it
            pass
        os.close(lock)
    raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN), tree.base)


def _hand_down(room: Room) -> None:
    """Let groups in the room have limits; our own processes step aside when that is in the way."""
    wanted = " ".join(f"+{name}" for name in sorted(room.tree.controllers))
    base = room.tree.base
    try:
        _write(f"{base}/cgroup.subtree_control", wanted)
    except OSError as error:
        if error.errno != errno.EBUSY or not _is_ours(base):
            raise
        step_aside(base)
        _write(f"{base}/cgroup.subtree_control", wanted)
    _write(f"{room.path}/cgroup.subtree_control", wanted)


def _is_ours(base: str) -> bool:
    """Whether the group was handed to us whole, so that we may move what is in it."""
    if os.geteuid() != 0 and os.stat(base).st_uid == os.geteuid():
        return True
    return any(name.endswith(".delegate") for name in os.listxattr(base))


def _sweep(room: str) -> int:
    try:
        lock = os.open(room, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return 0
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # its kernel lives
        return 0
    else:
        groups = [Group(entry.path, []) for entry in os.scandir(room) if entry.is_dir()]
        kill_groups(groups)
        remove_groups(groups)
        remove_groups([Group(room, [])], patience=0)
        return len(groups)
    finally:
        os.close(lock)


def _limits(room: Room, limits: Limits) -> list[tuple[str, str]]:
    quota = max(1_000, round(limits.cpu_max * _PERIOD))
    by_version = {
        1: {
            "pids": [("pids.max", str(limits.pids_max))],
            "memory": [
                ("memory.limit_in_bytes", str(limits.memory_max)),
                ("memory.memsw.limit_in_bytes", str(limits.memory_max)),
            ],
            "cpu": [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", str(quota))],
        },
        2: {
            "pids": [("pids.max", str(limits.pids_max))],
            "memory": [("memory.max", str(limits.memory_max)), ("memory.swap.max", "0")],
            "cpu": [("cpu.max", f"{quota} {_PERIOD}")],
        },
    }
    files = [limit for name in sorted(room.tree.controllers) for limit in by_version[room.tree.version][name]]
    # A system without swap, or that does not count it, has no file for it.
    return [limit for limit in files if "sw" not in limit[0] or os.path.exists(f"{room.path}/{limit[0]}")]


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY)
    try:
        os.write(fd, value.encode())
    except OSError as error:
        error.filename = path
        raise
    finally:
        os.close(fd)
