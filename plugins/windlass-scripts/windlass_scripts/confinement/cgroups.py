"""Where this process may make cgroups, for whichever version carries which limit: read from the system, nothing done.

Version 2 has one tree with a file that says which limits it carries.  Version 1 has a tree for each kind of limit, and
often version 2 stands beside it without limits, good for `cgroup.kill` alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

import msgspec

NEEDED = ("pids", "memory", "cpu")
LEAF = "windlass-kernel"
"""In version 2 limits can't be given below a group with processes in it: ours step aside into this one."""

_ESCAPE = re.compile(r"\\([0-7]{3})")


class Tree(msgspec.Struct, frozen=True):
    """One hierarchy.  `base` is our own group's directory, `controllers` the limits it can carry of those we need."""

    version: int
    base: str
    controllers: frozenset[str]


def find_trees(mounts: str, membership: str, within: str = "") -> list[Tree]:
    """The trees to use, from the texts of /proc/self/mountinfo and /proc/self/cgroup.

    `within` names a group to be used in place of our own, as seen from each tree's root.  Version 2 goes first, and a
    tree of version 1 is used for what is missing there.
    """
    ours = dict(_memberships(membership))
    trees: list[Tree] = []
    missing = set(NEEDED)
    for version, root, point, options in sorted(_cgroup_mounts(mounts), key=lambda mount: -mount[0]):
        key = "" if version == 2 else next((name for name in options if name in ours and name in missing), None)
        if key is None or (version == 2 and any(tree.version == 2 for tree in trees)):
            continue
        own = _place(point, root, ours.get(key, "/"))
        base = point + within if within else own
        carried = _controllers(base) if version == 2 else options
        if version == 2 and not missing.intersection(carried) and not _may_enter(own, base):
            continue  # it would only kill, which goes without it
        trees.append(Tree(version, base.rstrip("/") or "/", frozenset(carried) & missing))
        missing -= trees[-1].controllers
    return trees


def this_process() -> tuple[str, str]:
    """The two texts of `find_trees`, of the calling process."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        mounts = file.read()
    with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
        return mounts, file.read()


def _cgroup_mounts(mounts: str) -> Iterable[tuple[int, str, str, list[str]]]:
    """(version, root, mount point, options of the file system)."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ")[:3]
        if kind in ("cgroup", "cgroup2"):
            root, point = (_ESCAPE.sub(lambda found: chr(int(found[1], 8)), part) for part in before.split(" ")[3:5])
            yield (2 if kind == "cgroup2" else 1), root, point, options.split(",")


def _memberships(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


def _place(point: str, root: str, path: str) -> str:
    """The directory of our own group.  A container's mount may begin below the tree's root."""
    inside = path.removeprefix(root) if root != "/" and (path + "/").startswith(root + "/") else path
    if root != "/" and inside == path and path != root:
        inside = ""
    own = (point + inside).rstrip("/")
    return os.path.dirname(own) if os.path.basename(own) == LEAF else own


def _may_enter(own: str, base: str) -> bool:
    """Version 2 asks whoever moves a process for the right to do so where the two groups' ways part."""
    return os.access(os.path.join(os.path.commonpath([own, base]), "cgroup.procs"), os.W_OK)


def _controllers(base: str) -> list[str]:
    try:
        with open(f"{base}/cgroup.controllers", encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []
