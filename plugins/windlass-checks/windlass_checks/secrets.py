"""Secrets by reference: a check names a file below the operator's `secrets_directory`."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from windlass import Rejected

from windlass_checks.faults import in_words

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}(?:/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){0,4}")
LARGEST = 16 * 1024
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Secrets:
    def __init__(self, directory: str) -> None:
        self._directory = directory

    def read(self, field: str, name: str) -> str:
        """The secret without the line end at its end.  Raises `Rejected`, which names the field and what to change."""
        if not self._directory:
            raise Rejected(f"{field}: set plugins.checks.secrets_directory on this node; secret {name!r} is kept there")
        path = Path(self._directory, name)
        if any(part.is_symlink() for part in (path, *path.parents[: name.count("/")])):
            raise Rejected(f"{field}: secret {name!r} is a symbolic link; put the file itself there")
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise Rejected(f"{field}: secret {name!r} can't be read on this node: {in_words(error)}") from None
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode) or facts.st_mode & OTHERS:
                raise Rejected(f"{field}: secret {name!r} must be a file that only its owner may read (chmod 600)")
            data = os.read(descriptor, LARGEST + 1)
        finally:
            os.close(descriptor)
        if not data or len(data) > LARGEST:
            raise Rejected(f"{field}: secret {name!r} must hold 1 to {LARGEST} bytes")
        try:
            return data.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise Rejected(f"{field}: secret {name!r} is no UTF-8 text") from None


def check_name(field: str, name: str) -> None:
    """ValueError for what is no name of a secret."""
    if name and not NAME.fullmatch(name):
        raise ValueError(f'{field}: {name!r} is no name of a secret; write one like "prod/db"')
