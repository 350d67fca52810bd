"""Writing and reading compressed files: zstd with a checksum inside, and the SHA-256 of what is stored."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from windlass_backups.trouble import Damaged, NoRoom

CHUNK = 256 * 1024

Unpacked = zstd.ZstdFile
"""What `unpacking` gives: a binary file to read from."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Packer:
    """A new file.  `write` as often as there is something, then `close`; `raw` and `stored` count bytes.

    `heed` is called with every write and may raise: that is how an interrupt gets into a long copy.
    """

    def __init__(self, path: Path, level: int, heed: Callable[[int], None]) -> None:
        parameter = zstd.CompressionParameter
        options = {int(parameter.compression_level): level, int(parameter.checksum_flag): 1}
        self._zstd = zstd.ZstdCompressor(options=options)
        self._sha256 = hashlib.sha256()
        self._heed = heed
        self._path = path
        self.raw = 0
        self.stored = 0
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def write(self, data: bytes) -> int:
        """All of it.  Raises NoRoom when the disk is full, OSError when it is broken."""
        self._heed(self.raw)
        self.raw += len(data)
        self._store(self._zstd.compress(data))
        return len(data)

    def tell(self) -> int:
        return self.raw

    def close(self) -> None:
        """The end of the file, and all of it safe on the disk.  Raises as `write`."""
        self._store(self._zstd.flush())
        with self._told():
            os.fsync(self._descriptor)

    def release(self) -> None:
        """Give the file back, finished or not."""
        os.close(self._descriptor)

    def _store(self, packed: bytes) -> None:
        self._sha256.update(packed)
        self.stored += len(packed)
        rest = memoryview(packed)
        with self._told():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # By whom it is asked: the disk, a quota, or a limit on the size of files.
            why = f"{self._path.parent.parent} is full: {error.strerror} after {size(self.stored)}"
            raise NoRoom(f"{why}; make room, or keep fewer backups (keep, keep_days)") from error


@contextmanager
def packing(path: Path, level: int, heed: Callable[[int], None]) -> Iterator[Packer]:
    """A packer that is closed at the end of the block, and let go of when the block fails."""
    packer = Packer(path, level, heed)
    try:
        yield packer
        packer.close()
    finally:
        packer.release()


@contextmanager
def unpacking(path: Path) -> Iterator[Unpacked]:
    """What was written, to be read from the start.  Raises Damaged when the file is no whole zstd."""
    try:
        with zstd.ZstdFile(path) as file:
            yield file
    except (zstd.ZstdError, EOFError) as error:
        raise Damaged(f"{path.name} can't be decompressed: {error}") from error


def check_stored(path: Path, stored: int | None, sha256: str, heed: Callable[[int], None]) -> None:
    """Raises Damaged when the file is not the one that was stored: gone, of another size (if known), or checksum."""
    found, digest = 0, hashlib.sha256()
    try:
        with path.open("rb") as file:
            while data := file.read(CHUNK):
                heed(found)
                found += len(data)
                digest.update(data)
    except FileNotFoundError:
        raise Damaged(f"{path.name} is not there") from None
    if stored is not None and found != stored:
        raise Damaged(f"{path.name} has {found} bytes; the manifest says {stored}")
    if digest.hexdigest() != sha256:
        raise Damaged(f"the SHA-256 of {path.name} is {digest.hexdigest()}; the manifest says {sha256}")


def size(count: float) -> str:
    """Bytes for people: "12.3 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} bytes" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
