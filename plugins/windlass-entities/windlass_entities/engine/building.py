"""Builds what a plan asks for and keeps what is different from what is published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from windlass_entities.engine.loading import Tree
from windlass_entities.engine.say import Say, go_on
from windlass_entities.engine.staging import Staging
from windlass_entities.indexes import digest

_EVERY = 64
"""Pages between two looks at whether the work is still wanted."""

Item = TypeVar("Item")


class Changes:
    """The files of a draft as they come: only what differs from what is published is staged.

    With `verify` that is what lies on the disk, otherwise what indexes and manifest say.
    """

    def __init__(self, tree: Tree | None, staging: Staging, verify: bool) -> None:
        self._tree, self._staging, self._verify = tree, staging, verify
        self.files: dict[str, Path | bytes] = {}
        self.gone: list[str] = []
        self.unchanged = 0
        self.is_repair = False
        """Something lies there otherwise than it was published."""

    def put(self, path: str, data: bytes, sha256: str, indexed: str | None) -> bool:
        """False when it is published just so.  `indexed`: its hash as published, None when it is new."""
        there = self._on_disk(path) if self._verify else indexed
        self.is_repair |= there != indexed
        if there == sha256:
            self.unchanged += 1
            return False
        self.files[path] = self._staging.write(path, data)
        return True

    def drop(self, paths: Iterable[str]) -> int:
        """How many they are."""
        gone = sorted(paths)
        self.gone += gone
        return len(gone)

    def names(self, folder: str) -> list[str]:
        """The paths of what lies in a folder of the published tree."""
        return [] if self._tree is None else [f"{folder}/{name}" for name in self._tree.names(folder)]

    def _on_disk(self, path: str) -> str | None:
        try:
            return None if self._tree is None else digest(self._tree.read(path))
        except OSError:
            return None


class Progress:
    """Tells how far pages are, and ends with Cancelled when the work is not wanted any more."""

    def __init__(self, total: int, say: Say) -> None:
        self._done, self._total, self._say = 0, total, say

    def through(self, items: Iterable[Item]) -> Iterator[Item]:
        for item in items:
            if self._done % _EVERY == 0:
                go_on(self._say)
                self._say.progress(self._done, self._total)
            self._done += 1
            yield item

    def end(self) -> None:
        self._say.progress(self._total, self._total)
