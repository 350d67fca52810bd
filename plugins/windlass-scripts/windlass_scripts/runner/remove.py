"""Removes the private directory of an attempt, whatever the script left in it."""

from __future__ import annotations

import ctypes
import os
import shutil

_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8


def remove_tree(root: str) -> bool:
    """Delete `root` and everything in it; whether it is gone.

    A script run by root may have mounted something below, possibly the system's own root: deleting would then go
    through the mount.  So mounts are detached first, and with one left nothing at all is deleted.
    """
    _detach(_mounts_below(root))
    if _mounts_below(root):
        return False
    shutil.rmtree(root, ignore_errors=True)
    if os.path.lexists(root):
        _open_up(root)
        shutil.rmtree(root, ignore_errors=True)
    return not os.path.lexists(root)


def _mounts_below(root: str) -> list[str]:
    """Mount points in `root`, deepest first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        points = [_unescape(line.split(" ", 5)[4]) for line in file]
    return sorted((point for point in points if point.startswith(root + "/")), key=len, reverse=True)


def _unescape(point: str) -> str:
    for code, character in ((r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", "\\")):
        point = point.replace(code, character)
    return point


def _detach(points: list[str]) -> None:
    umount = ctypes.CDLL(None).umount2
    for point in points:
        umount(ctypes.c_char_p(os.fsencode(point)), _MNT_DETACH | _UMOUNT_NOFOLLOW)


def _open_up(root: str) -> None:
    """An ordinary user can't empty directories whose rights the script took away: give them back."""
    for parent, names, _ in os.walk(root):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
