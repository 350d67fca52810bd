"""Secrets by reference: `prod/db` is a file below the operator's directory, on the host that runs the script.

The payload, the database and the timeline know the name only.  Whoever else could read or swap the file could do so
without us, so rights that are too wide are refused, not mended.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from windlass import Rejected

from windlass_scripts.disguises import SHORTEST

LARGEST = 16 * 1024
"""Bytes of one secret: a key or a certificate, no data."""

MOST = 16

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
_REFERENCE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}(/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}){0,7}\Z")


def check_secrets(field: str, secrets: Mapping[str, str]) -> None:
    """ValueError for what can be no name, or no reference; whether there is such a secret, only the host knows."""
    if len(secrets) > MOST:
        raise ValueError(f"{field}: {len(secrets)} secrets, more than the {MOST} allowed")
    for name, reference in secrets.items():
        if not _VARIABLE.match(name):
            raise ValueError(f"{field}: {name!r} is no name; use letters, digits and _, not starting with a digit")
        check_reference(f"{field}.{name}", reference)


def check_reference(field: str, reference: str) -> None:
    """ValueError when this can't name a secret."""
    if not _REFERENCE.match(reference):
        raise ValueError(
            f"{field}: {reference[:100]!r} names no secret; give a path below the secrets_directory like prod/db:"
            " letters, digits, _ - and ., no part starting with a dot"
        )


def read_secrets(directory: str, secrets: Mapping[str, str]) -> dict[str, bytes]:
    """The content of each, by name.  Blocks.  Raises Rejected, naming the secret, when it is not there or not safe."""
    if not secrets:
        return {}
    if not directory:
        names = ", ".join(secrets)
        raise Rejected(f"secrets: {names}: this host has no secrets; set secrets_directory in [plugins.scripts]")
    with ExitStack() as opened:
        with _telling("secrets_directory", directory):
            root = os.open(directory, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        opened.callback(os.close, root)
        _check_rights("secrets_directory", directory, os.fstat(root))
        return {name: _read(f"secrets.{name}", reference, root) for name, reference in secrets.items()}


def _read(field: str, reference: str, root: int) -> bytes:
    """Walked part by part and never through a link: what is checked is what is read."""
    *folders, file = reference.split("/")
    with ExitStack() as opened:
        place = root
        for folder in folders:
            place = _step(field, reference, folder, place, os.O_DIRECTORY, opened)
        # A pipe by that name must not hold us up.
        return _content(field, reference, _step(field, reference, file, place, os.O_NONBLOCK, opened))


def _step(field: str, reference: str, part: str, place: int, flags: int, opened: ExitStack) -> int:
    """`part` in the directory `place`, found safe."""
    with _telling(field, reference):
        fd = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | flags, dir_fd=place)
    opened.callback(os.close, fd)
    _check_rights(field, reference, os.fstat(fd))
    return fd


def _content(field: str, reference: str, fd: int) -> bytes:
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        raise Rejected(f"{field}: {reference} is no file; a secret is a file with nothing but the secret in it")
    content = os.read(fd, LARGEST + 1)
    if len(content) > LARGEST:
        raise Rejected(f"{field}: {reference} has more than {LARGEST} bytes; hand over a key to the rest instead")
    if len(content.rstrip(b"\r\n")) < SHORTEST:
        raise Rejected(
            f"{field}: {reference} has fewer than {SHORTEST} bytes, too short to be kept out of what the script says;"
            " use a longer one"
        )
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
