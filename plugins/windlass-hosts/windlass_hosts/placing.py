"""Puts a file in its place, whole or not at all, where no symbolic link can lead astray.

The way from the root is walked name by name (openat, O_NOFOLLOW), and everything after that is asked of the directory
that was reached, not of a path: who may write somewhere on the way can't turn it elsewhere meanwhile.  The file is
written under a temporary name beside its place, and renamed once the disk has it.  All of it blocks.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime

import msgspec
from windlass import Rejected

USUAL_MODE = 0o644
COPY_BYTES = 256 * 1024


class Wanted(msgspec.Struct, frozen=True):
    """`mode`, `user` and `group` are None where the file keeps what it has; `temporary` is a name of the task's own."""

    parts: tuple[str, ...]
    content: bytes
    temporary: str
    mode: int | None = None
    user: int | None = None
    group: int | None = None
    backup: bool = False

    @property
    def name(self) -> str:
        return self.parts[-1]


class Placed(msgspec.Struct, frozen=True):
    """`done`: created, replaced or unchanged; `backup`: the name that the old file has now, or ""."""

    done: str
    backup: str = ""


def place(wanted: Wanted, now: datetime) -> Placed:
    """Make it so.  Raises `Rejected` for what stands in the way, `OSError` for what the system refuses."""
    with _directory(wanted.parts[:-1]) as directory:
        before = _found(directory, wanted)
        if before is not None and _is_as_wanted(directory, wanted, before):
            return Placed("unchanged")
        _remove_leftover(directory, wanted.temporary)
        try:
            _write(directory, wanted, before)
            backup = _keep_old(directory, wanted.name, now) if wanted.backup and before is not None else ""
            os.rename(wanted.temporary, wanted.name, src_dir_fd=directory, dst_dir_fd=directory)
        except BaseException:
            _remove_leftover(directory, wanted.temporary)
            raise
        os.fsync(directory)
    return Placed("created" if before is None else "replaced", backup)


@contextmanager
def _directory(parts: Sequence[str]) -> Iterator[int]:
    """The directory that these names lead to, from the root on, none of them a link."""
    reached = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for count, part in enumerate(parts, 1):
            try:
                deeper = os.open(part, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=reached)
            except OSError as error:
                raise _no_way("/" + "/".join(parts[:count]), error) from error
            os.close(reached)
            reached = deeper
        # One that can be synced to the disk.
        directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=reached)
    finally:
        os.close(reached)
    try:
        yield directory
    finally:
        os.close(directory)


def _no_way(path: str, error: OSError) -> Rejected | OSError:
    match error.errno:
        case errno.ENOENT:
            return Rejected(f"path: {path} does not exist on this host; make the directory first")
        case errno.ENOTDIR | errno.ELOOP:
            return Rejected(
                f"path: {path} is no directory, or a symbolic link, which is not followed; name the real one"
            )
    return error


def _found(directory: int, wanted: Wanted) -> os.stat_result | None:
    try:
        before = os.stat(wanted.name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(before.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(before.st_mode) else "no regular file"
        raise Rejected(f"path: /{'/'.join(wanted.parts)} is {what}, and is left alone; name a file, or a new name")
    return before


def _is_as_wanted(directory: int, wanted: Wanted, before: os.stat_result) -> bool:
    asked = (wanted.mode, wanted.user, wanted.group)
    there = (stat.S_IMODE(before.st_mode), before.st_uid, before.st_gid)
    differs = any(mine is not None and mine != its for mine, its in zip(asked, there, strict=True))
    if differs or before.st_size != len(wanted.content):
        return False
    try:
        file = os.open(wanted.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=directory)
    except PermissionError:
        return False
    with open(file, "rb") as old:
        return hashlib.file_digest(old, "sha256").digest() == hashlib.sha256(wanted.content).digest()


def _write(directory: int, wanted: Wanted, before: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(wanted.temporary, flags, 0o600, dir_fd=directory)
    try:
        view = memoryview(wanted.content)
        while view:
            view = view[os.write(file, view[:COPY_BYTES]) :]
        mine = os.fstat(file)
        user, group = (wanted.user, wanted.group) if before is None else _owner(wanted, before)
        if (mine.st_uid, mine.st_gid) != (
            mine.st_uid if user is None else user,
            mine.st_gid if group is None else group,
        ):
            os.fchown(file, -1 if user is None else user, -1 if group is None else group)
        # After the owner: giving a file away takes bits of its mode.
        os.fchmod(file, _mode(wanted, before))
        os.fsync(file)
    finally:
        os.close(file)


def _owner(wanted: Wanted, before: os.stat_result) -> tuple[int, int]:
    user = before.st_uid if wanted.user is None else wanted.user
    return user, before.st_gid if wanted.group is None else wanted.group


def _mode(wanted: Wanted, before: os.stat_result | None) -> int:
    if wanted.mode is not None:
        return wanted.mode
    # Never set-user-id for content that somebody sends.
    return USUAL_MODE if before is None else stat.S_IMODE(before.st_mode) & 0o777


def _keep_old(directory: int, name: str, now: datetime) -> str:
    """A second name for the old file, so that there is one at its place at every moment."""
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    for number in range(100):
        kept = f"{name}.{stamp}" + (f".{number}" if number else "")
        try:
            os.link(name, kept, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
        except FileExistsError:
            continue
        return kept
    raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), f"{name}.{stamp}")


def _remove_leftover(directory: int, temporary: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=directory)
