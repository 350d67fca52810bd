"""One backup of a directory tree: a tar archive (PAX), and an index of what is in it."""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import stat
import tarfile
from collections import Counter
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import cast

import msgspec
from windlass import BlockingContext

from windlass_backups.manifest import Tree as TreeFacts
from windlass_backups.packing import CHUNK, Packer, packing, size
from windlass_backups.stopping import Meter, Stop
from windlass_backups.walking import Entry, Problem, Tree

_NAMED = 20
"""So many of each kind of trouble get a step of their own."""


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line of the index.  `path` is for people: bytes that are no UTF-8 are written as \\xNN."""

    path: str
    type: str
    size: int = 0
    sha256: str = ""
    link: str = ""


def archive(
    ctx: BlockingContext,
    stop: Stop,
    root: str,
    exclude: Sequence[str],
    apart: Sequence[str],
    paths: tuple[Path, Path],
    level: int,
) -> tuple[Packer, TreeFacts]:
    """Write the archive and its index to `paths`, whole and safe on the disk.  Raises Trouble, NoRoom, Stopped."""
    ctx.stage("copying")
    meter = Meter(ctx, stop)
    with packing(paths[0], level, meter.heed) as packer, packing(paths[1], level, lambda _: stop.check()) as index:
        archiver = _Archiver(ctx, packer, index)
        tree = Tree(root, exclude, apart, archiver.problem)
        for entry in tree.entries():
            archiver.add(entry)
        archiver.close()
    ctx.progress(packer.raw, packer.raw)
    return packer, archiver.facts(root, index.sha256)


def shown(path: str) -> str:
    """A path as JSON and people can have it."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


class _Archiver:
    def __init__(self, ctx: BlockingContext, packer: Packer, index: Packer) -> None:
        self._ctx = ctx
        self._index = index
        self._counts: Counter[str] = Counter()
        self._size = 0
        self._seen: dict[tuple[int, int], str] = {}
        # All it asks of its file is to write and to tell.
        file = cast("tarfile._Fileobj", packer)
        self._tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, copybufsize=CHUNK)

    def add(self, entry: Entry) -> None:
        mode = entry.facts.st_mode
        if stat.S_ISREG(mode):
            self._add_file(entry)
        elif stat.S_ISDIR(mode):
            self._counts["folders"] += 1
            self._put(_header(entry, tarfile.DIRTYPE), Line(shown(entry.path), "folder"))
        elif stat.S_ISLNK(mode):
            self._counts["links"] += 1
            header = _header(entry, tarfile.SYMTYPE)
            header.linkname = entry.link
            self._put(header, Line(shown(entry.path), "symlink", link=shown(entry.link)))
        else:
            self._note("special", entry.path, "is no file, folder or symlink: left out")

    def problem(self, path: str, what: Problem) -> None:
        words = {"vanished": "was gone before it could be read", "unreadable": "can't be read: it is NOT in the backup"}
        self._note(what, path, words[what])

    def close(self) -> None:
        self._tar.close()
        for what, count in self._counts.items():
            if what in ("special", "changed", "vanished", "unreadable") and count > _NAMED:
                self._ctx.step(f"{what}: {count:,} in all; the first {_NAMED} are named above")

    def facts(self, root: str, index_sha256: str) -> TreeFacts:
        counts = {field: self._counts[field] for field in TreeFacts.__struct_fields__ if field in _COUNTED}
        return TreeFacts(path=root, size=self._size, index_sha256=index_sha256, **counts)

    def _add_file(self, entry: Entry) -> None:
        facts = entry.facts
        inode = (facts.st_dev, facts.st_ino)
        self._counts["files"] += 1
        if facts.st_nlink > 1 and inode in self._seen:
            header = _header(entry, tarfile.LNKTYPE)
            header.linkname = self._seen[inode]
            self._put(header, Line(shown(entry.path), "hardlink", link=shown(header.linkname)))
            return
        if facts.st_nlink > 1:
            self._seen[inode] = entry.path
        header = _header(entry, tarfile.REGTYPE)
        header.size = facts.st_size
        content = _Content(entry.descriptor)
        self._tar.addfile(header, content)
        self._listed(Line(shown(entry.path), "file", facts.st_size, content.sha256))
        self._size += facts.st_size
        if content.broke:
            self._note("unreadable", entry.path, "can't be read to its end: the rest of its copy is zeros")
        elif content.was_short or _has_changed(facts, os.fstat(entry.descriptor)):
            self._note("changed", entry.path, "changed while it was read: its copy may mix old and new")

    def _put(self, header: tarfile.TarInfo, line: Line) -> None:
        self._tar.addfile(header)
        self._listed(line)

    def _listed(self, line: Line) -> None:
        # It remembers every header otherwise: a gigabyte for a million files.
        self._tar.members.clear()  # type: ignore[attr-defined]
        self._index.write(msgspec.json.encode(line) + b"\n")

    def _note(self, what: str, path: str, words: str) -> None:
        self._counts[what] += 1
        if self._counts[what] <= _NAMED:
            self._ctx.step(f"{shown(path) or 'the folder itself'} {words}")


_COUNTED = {"files", "folders", "links", "special", "changed", "vanished", "unreadable"}


class _Content:
    """A file as tarfile reads it, hashed on the way.  What the file has lost meanwhile is zeros."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sha256 = hashlib.sha256()
        self.was_short = False
        self.broke = False

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def read(self, wanted: int = CHUNK) -> bytes:
        """So many bytes, never fewer: tarfile gives up otherwise."""
        data = b""
        while len(data) < wanted and (more := self._read(wanted - len(data))):
            data += more
        if len(data) < wanted:
            self.was_short = True
            data += bytes(wanted - len(data))
        self._sha256.update(data)
        return data

    def _read(self, wanted: int) -> bytes:
        try:
            return os.read(self._descriptor, wanted)
        except OSError:  # the disk gave up in the middle
            self.broke = True
            return b""


def described(facts: TreeFacts) -> str:
    """ "3 files, 2 folders, 1.2 MB"."""
    files = f"{facts.files:,} file{'s' * (facts.files != 1)}"
    folders = f"{facts.folders:,} folder{'s' * (facts.folders != 1)}"
    return f"{files}, {folders}, {size(facts.size)}"


def _header(entry: Entry, kind: bytes) -> tarfile.TarInfo:
    header = tarfile.TarInfo(entry.path or ".")
    facts = entry.facts
    header.type = kind
    header.mode = stat.S_IMODE(facts.st_mode)
    header.uid, header.gid = facts.st_uid, facts.st_gid
    header.uname, header.gname = _user(facts.st_uid), _group(facts.st_gid)
    # PAX keeps fractions; the field is typed for the older formats.
    header.mtime = facts.st_mtime
    return header


def _has_changed(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns)


@cache
def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return ""


@cache
def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return ""
