"""The restore test of a tree: unpacked into a scratch folder, and compared with the index, entry by entry."""

from __future__ import annotations

import errno
import hashlib
import tarfile
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path
from typing import cast

import msgspec
from windlass import BlockingContext

from windlass_backups.archiving import Line, shown
from windlass_backups.manifest import Manifest, Tree
from windlass_backups.packing import CHUNK, Unpacked, size, unpacking
from windlass_backups.scratch import folder_name, scratch_folder
from windlass_backups.stopping import Meter, Stop
from windlass_backups.trouble import Damaged, NoRoom

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def restore_tree(
    ctx: BlockingContext, stop: Stop, within: str, archive: Path, index: Path, manifest: Manifest
) -> list[str]:
    """What differs from the index; nothing: it is proved.  Raises Damaged, NoRoom, Stopped."""
    holds = manifest.holds
    assert isinstance(holds, Tree)
    ctx.stage("unpacking")
    with (
        scratch_folder(within, folder_name(ctx.task.id, ctx.task.attempt)) as folder,
        unpacking(archive) as packed,
        unpacking(index) as lines,
    ):
        unpacker = _Unpacker(folder, stop)
        differences = unpacker.compare(_Heeding(packed, Meter(ctx, stop, manifest.raw)), lines)
    found = unpacker.files
    ctx.step(f"{found:,} of {holds.files:,} files unpacked, {size(unpacker.size)}, and removed again")
    if found != holds.files:
        differences.append(f"there are {found:,} files; the manifest says {holds.files:,}")
    ctx.progress(manifest.raw, manifest.raw)
    return differences


class _Heeding:
    """The archive as tarfile reads it; an interrupt gets in with every read, also in the middle of a large file."""

    def __init__(self, packed: Unpacked, meter: Meter) -> None:
        self._packed = packed
        self._meter = meter
        self._read = 0

    def read(self, wanted: int = CHUNK) -> bytes:
        self._meter.heed(self._read)
        data = self._packed.read(wanted)
        self._read += len(data)
        return data


class _Unpacker:
    def __init__(self, folder: Path, stop: Stop) -> None:
        self._folder = folder
        self._stop = stop
        self.files = 0
        self.size = 0

    def compare(self, packed: _Heeding, lines: Iterable[bytes]) -> list[str]:
        differences = []
        try:
            with tarfile.open(fileobj=cast("Unpacked", packed), mode="r|", bufsize=CHUNK) as tar:
                for line, wanted in zip_longest(self._unpacked(tar), _listed(lines)):
                    if line != wanted:
                        differences.append(_difference(line, wanted))
        except tarfile.TarError as error:
            raise Damaged(f"the archive can't be unpacked: {error}") from error
        return differences

    def _unpacked(self, tar: tarfile.TarFile) -> Iterator[Line]:
        """What each entry is once it is on the disk, as the index would list it."""
        for member in tar:
            yield self._line(tar, member)
            tar.members.clear()  # type: ignore[attr-defined]

    def _line(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> Line:
        path = "" if member.name == "." else shown(member.name)
        if member.isdir():
            tar.extract(member, self._folder, filter="data")
            return Line(path, "folder")
        if member.issym():
            # Not made: it may well lead out of the scratch folder, and where it leads is all there is to it.
            return Line(path, "symlink", link=shown(member.linkname))
        self.files += 1
        if member.islnk():
            return Line(path, "hardlink", link=shown(member.linkname))
        self.size += member.size
        return Line(path, "file", member.size, self._extracted(tar, member))

    def _extracted(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
        """The SHA-256 of the file as it then lies on the disk."""
        digest = hashlib.sha256()
        try:
            tar.extract(member, self._folder, filter="data")
        except OSError as error:
            if error.errno in _FULL:
                raise NoRoom(f"{self._folder.parent} is full: name another place in plugins.backups.scratch") from error
            raise
        with (self._folder / member.name).open("rb") as file:
            while data := file.read(CHUNK):
                self._stop.check()
                digest.update(data)
        return digest.hexdigest()


def _listed(lines: Iterable[bytes]) -> Iterator[Line]:
    for line in lines:
        try:
            yield msgspec.json.decode(line, type=Line)
        except msgspec.DecodeError as error:
            raise Damaged(f"the index holds a line that is none: {error}") from error


def _difference(found: Line | None, wanted: Line | None) -> str:
    if found is None or wanted is None:
        there = cast("Line", found or wanted)
        return f"{there.path} is in the {'index' if found is None else 'archive'} only"
    if found.path != wanted.path:
        return f"{found.path} stands where the index has {wanted.path}"
    if found.type != wanted.type:
        return f"{found.path} is a {found.type}; the index says {wanted.type}"
    if found.size != wanted.size:
        return f"{found.path} has {found.size} bytes; the index says {wanted.size}"
    return f"{found.path} has another content than the index says"
