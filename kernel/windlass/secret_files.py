"""Secrets by reference: `prod/db` is a file below a directory of the operator's, on the host that uses it.

Payloads, the database and timelines know the name only.  Whoever else could read or swap the file could do so without
us, so rights that are too wide are refused, not mended.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from windlass.handler import Rejected

LARGEST_SECRET = 16 * 1024
"""Bytes: a key or a certificate, no data."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,7}\Z")


def check_secret_name(field: str, name: str) -> None:
    """ValueError, naming the field, for what can name no secret; whether there is such a one, only the host knows."""
    if not _NAME.match(name):
        raise ValueError(
            f"{field}: {name[:100]!r} names no secret; give a path below the secrets_directory like prod/db:"
            " letters, digits, _ - and ., no part starting with a dot"
        )


def read_secret(directory: str, name: str, field: str) -> bytes:
    """What the file holds, to the last byte.  Blocks.

    Walked part by part and never through a link: what is checked is what is read.  Raises `Rejected`, naming the
    field, when it is not there, not safe, empty, or larger than 16 KiB.
    """
    *folders, file = name.split("/")
    with ExitStack() as opened:
        with _telling("secrets_directory", directory):
            place = os.open(directory, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        opened.callback(os.close, place)
        _check_rights("secrets_directory", directory, os.fstat(place))
        for folder in folders:
            place = _step(field, name, folder, place, os.O_DIRECTORY, opened)
        # A pipe by that name must not hold us up.
        return _content(field, name, _step(field, name, file, place, os.O_NONBLOCK, opened))


def _step(field: str, name: str, part: str, place: int, flags: int, opened: ExitStack) -> int:
    """`part` in the directory `place`, found safe."""
    with _telling(field, name):
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, dir_fd=place)
    opened.callback(os.close, fd)
    _check_rights(field, name, os.fstat(fd))
    return fd


def _content(field: str, name: str, fd: int) -> bytes:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise Rejected(f"{field}: {name} is no file; a secret is a file with nothing but the secret in it")
    content = os.read(fd, LARGEST_SECRET + 1)
    if len(content) > LARGEST_SECRET:
        raise Rejected(f"{field}: {name} has more than {LARGEST_SECRET} bytes; keep a key to the rest there instead")
    if not content.rstrip(b"\r\n"):
        raise Rejected(f"{field}: {name} is empty; write the secret into it")
    return content


@contextmanager
def _telling(field: str, shown: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Rejected(f"{field}: {shown} can't be read on this host: {os.strerror(error.errno or 0)}") from None


def _check_rights(field: str, shown: str, found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise Rejected(f"{field}: {shown} belongs to another user of this host; give it to the one that runs Windlass")
    if found.st_mode & 0o077:
        right = "0700" if stat.S_ISDIR(found.st_mode) else "0600"
        mode = stat.S_IMODE(found.st_mode)
        raise Rejected(f"{field}: {shown} is open to others (mode {mode:04o}); chmod it to {right}")
