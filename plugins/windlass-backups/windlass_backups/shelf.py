"""Where the backups of one source lie in one target: `<target>/<source>/<time>/`, one folder each.

A backup is written in a folder that is called `.<time>.<task>.<attempt>.partial`, made safe on the disk, and renamed
once: after a crash there is the whole of it or a partial, never half a backup.  It is removed by the way back: renamed
to a partial first.  Whoever works on a shelf holds a lock on it, which the system frees with the process; so the
partials that he finds are nobody's, and he removes them.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from windlass import failpoint

from windlass_backups.manifest import MANIFEST, Manifest, encode_manifest, read_manifest
from windlass_backups.trouble import Trouble

WRITTEN = failpoint("backups.written", "a backup is on the disk, and has not got its name")
KEPT = failpoint("backups.kept", "a backup has got its name, and nobody was told")
LEAVING = failpoint("backups.leaving", "a backup has lost its name, and is still on the disk")

INDEX = "index.jsonl.zst"
_STAMP = r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z"
STAMP = re.compile(_STAMP)
_PARTIAL = re.compile(rf"\.{_STAMP}\.[\w.]+\.partial")


def stamp_of(at: datetime) -> str:
    """The time as part of a name, in UTC, without colons: other systems can't have them in names of files."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H-%M-%S}.{at.microsecond // 1000:03d}Z"


class Shelf:
    def __init__(self, target: str, path: str, source: str) -> None:
        self.target = target
        self.source = source
        self._root = Path(path)
        self.path = self._root / source

    @contextmanager
    def held(self) -> Iterator[None]:
        """Alone with this shelf.  Raises Trouble when the target is not there, or another process works here."""
        if not self._root.is_dir():
            raise Trouble(f"target {self.target}: there is no folder {self._root}; is the disk mounted?")
        self.path.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(f"another process is writing a backup of {self.source} to {self.target}") from None

    def sweep(self) -> int:
        """Remove what others left unfinished; how many there were.  Only for who holds the shelf."""
        left = [name for name in os.listdir(self.path) if _PARTIAL.fullmatch(name)]
        for name in left:
            shutil.rmtree(self.path / name, ignore_errors=True)
        return len(left)

    @contextmanager
    def draft(self, began: datetime, task: int, attempt: int) -> Iterator[Draft]:
        """A folder to write one backup into.  It is gone when the block is left, unless `Draft.keep` was called."""
        stamp = stamp_of(began)
        draft = Draft(self, stamp, self.path / f".{stamp}.{task}.{attempt}.partial")
        draft.folder.mkdir(mode=0o700)
        try:
            yield draft
        finally:
            if not draft.is_kept:
                shutil.rmtree(draft.folder, ignore_errors=True)

    def discard(self, task: int, attempt: int) -> None:
        """Remove the draft of an attempt that was killed."""
        for folder in self.path.glob(f".*.{task}.{attempt}.partial"):
            if _PARTIAL.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)

    def stamps(self) -> list[str]:
        """Of all that looks like a backup, newest first."""
        try:
            return sorted((name for name in os.listdir(self.path) if STAMP.fullmatch(name)), reverse=True)
        except OSError:
            return []

    def read(self, stamp: str) -> Manifest | None:
        """One backup; None when it is not there, or not ours."""
        manifest = read_manifest(self.folder(stamp))
        is_ours = manifest is not None and manifest.backup == f"{self.source}/{stamp}"
        return manifest if is_ours else None

    def backups(self) -> Iterator[Manifest]:
        """All backups, newest first, read as they are asked for."""
        for stamp in self.stamps():
            if (manifest := self.read(stamp)) is not None:
                yield manifest

    def folder(self, stamp: str) -> Path:
        return self.path / stamp

    def note(self, manifest: Manifest) -> None:
        """Write a manifest anew.  Raises OSError: the backup was removed meanwhile."""
        folder = self.folder(manifest.stamp)
        _write(folder / f".{MANIFEST}", encode_manifest(manifest))
        os.replace(folder / f".{MANIFEST}", folder / MANIFEST)
        _sync(folder)

    def remove(self, manifest: Manifest) -> None:
        """Remove one backup.  Raises Trouble when its folder holds anything else: that is not ours to remove."""
        folder = self.folder(manifest.stamp)
        ours = {manifest.file, INDEX, MANIFEST, f".{MANIFEST}"}
        try:
            if others := sorted(set(os.listdir(folder)) - ours):
                raise Trouble(f"{folder} also holds {', '.join(others[:3])}, which is no part of it: move that away")
            leaving = self.path / f".{manifest.stamp}.removed.partial"
            folder.rename(leaving)
        except OSError as error:
            raise Trouble(f"{folder}: {error.strerror}") from error
        if LEAVING:
            LEAVING()
        shutil.rmtree(leaving, ignore_errors=True)


class Draft:
    def __init__(self, shelf: Shelf, stamp: str, folder: Path) -> None:
        self.backup = f"{shelf.source}/{stamp}"
        self.folder = folder
        self.is_kept = False
        self._final = shelf.folder(stamp)

    def keep(self, manifest: Manifest) -> None:
        """From now on it is a backup, whatever happens.  Its other files are on the disk already."""
        _write(self.folder / MANIFEST, encode_manifest(manifest))
        _sync(self.folder)
        if WRITTEN:
            WRITTEN()
        self.folder.rename(self._final)
        self.is_kept = True
        _sync(self._final.parent)
        if KEPT:
            KEPT()
        with suppress(OSError):  # our own folder may just have been made
            _sync(self._final.parent.parent)


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
