"""Folders below the system's temporary one, for what HOME/run cannot hold: the servers' sockets, and copied binaries.

Sockets lie in HOME/run/sockets unless that would not do: longer than a unix socket's address may be (107 bytes), out of
the servers' reach, or with a character that a DSN or a URL would have to escape (a comma even splits libpq's host).
HOME/run then has a symbolic link: the record of what to remove, and the way for people to find it.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from pathlib import Path

from windlass.embedded.identity import Identity

LONGEST_ADDRESS = 107  # unix(7): sun_path holds 108 bytes, the last one zero
LONGEST_NAME = "/.s.PGSQL.65535"
PREFIX = "windlass-run-"


def prepare_sockets(link: Path, identity: Identity, *, reachable: bool) -> Path:
    """An empty 0700 folder that belongs to `identity`: `link` itself, or the temporary folder it points to.

    A temporary folder that an earlier life left is used again, so that the DSN stays the same across a crash.
    """
    if reachable and _fits(link):
        remove(link)
        link.mkdir(mode=0o700)
        return link
    target = _target(link)
    if target is None or not _is_ours(target, identity):
        remove(link)
        target = make(link)
        identity.own(target)
    _empty(target)
    return target


def make(link: Path) -> Path:
    """A new folder below the system's temporary one, 0700, with `link` pointing to it."""
    parents = [tempfile.gettempdir(), "/tmp", "/var/tmp"]  # noqa: S108  # mkdtemp below it is private
    parent = next((parent for parent in parents if _fits(Path(parent, PREFIX + "12345678"))), parents[0])
    target = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    link.symlink_to(target)
    return target


def remove(link: Path) -> None:
    """Removes the folder, or the link and the temporary folder it points to. Nothing happens where nothing is."""
    if (target := _target(link)) is None:
        shutil.rmtree(link, ignore_errors=True)
        return
    if target.name.startswith(PREFIX):
        shutil.rmtree(target, ignore_errors=True)
    link.unlink()


def _fits(folder: Path) -> bool:
    name = os.fsencode(f"{folder}{LONGEST_NAME}")
    return len(name) <= LONGEST_ADDRESS and re.fullmatch(rb"[A-Za-z0-9/._+-]+", name) is not None


def _target(link: Path) -> Path | None:
    return link.readlink() if link.is_symlink() else None


def _is_ours(target: Path, identity: Identity) -> bool:
    """Nobody else can have put it there: the sticky temporary folder lets others make a name, but not as our user."""
    try:
        status = target.lstat()
    except FileNotFoundError:
        return False
    private = stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
    return private and status.st_uid == identity.owner and _fits(target)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        entry.unlink()
