"""Writes computed files into a folder of their own, as cheaply as many thousand small files can be written."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


class Staging:
    """A new folder below `above` for one draft, made when the first file comes.  Files lie in it as in the tree."""

    def __init__(self, above: Path) -> None:
        self._above, self._folder = above, ""
        self._made: set[str] = set()

    def write(self, path: str, data: bytes) -> Path:
        """Not synced: the publication syncs the file system once, for all."""
        if not self._folder:
            self._above.mkdir(parents=True, exist_ok=True)
            self._folder = tempfile.mkdtemp(prefix="draft-", dir=self._above)
        inside = path.rpartition("/")[0]
        if inside not in self._made:
            os.makedirs(f"{self._folder}/{inside}", exist_ok=True)
            self._made.add(inside)
        place = f"{self._folder}/{path}"
        descriptor = os.open(place, _NEW, 0o444)
        try:
            _write_all(descriptor, data)
        finally:
            os.close(descriptor)
        return Path(place)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
