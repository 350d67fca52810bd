"""The manifest beside each backup: what it holds, and how to tell whether it still does."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

MANIFEST = "manifest.json"
FORMAT = 1


class Database(msgspec.Struct, frozen=True, tag="postgres"):
    """`tables` are row counts by schema-qualified name, taken in the snapshot that was dumped."""

    database: str
    server_version: str
    dump_version: str
    tables: dict[str, int]


class Tree(msgspec.Struct, frozen=True, tag="directory"):
    """`size` is the sum of all files' sizes, in bytes.  What could not be read is not in the archive.

    `index_sha256` is that of the index beside the archive: a line of JSON for each entry.
    """

    path: str
    files: int
    folders: int
    links: int
    size: int
    special: int
    """Sockets, pipes and devices, which are left out."""
    changed: int
    vanished: int
    unreadable: int
    index_sha256: str


class Verified(msgspec.Struct, frozen=True):
    """What the last restore test said.  `differences` are the first hundred."""

    at: datetime
    ok: bool
    task: int
    differences: list[str] = []


class Manifest(msgspec.Struct, frozen=True):
    """Sizes in bytes: `raw` is the archive before compression, `stored` the file, whose checksum is `sha256`."""

    backup: str
    """Its name: the source and the time at which it began, "main/2026-11-22T15-04-05.123Z"."""
    source: str
    target: str
    started: datetime
    ended: datetime
    raw: int
    stored: int
    sha256: str
    task: int
    initiator: str
    holds: Database | Tree
    verified: Verified | None = None
    format: int = FORMAT

    @property
    def stamp(self) -> str:
        return self.backup.partition("/")[2]

    @property
    def file(self) -> str:
        return file_name(self.source, self.holds)

    @property
    def is_good(self) -> bool:
        """Nothing bad is known of it."""
        return self.verified is None or self.verified.ok


def file_name(source: str, holds: type[Database | Tree] | Database | Tree) -> str:
    """How the archive is called: what opens it shows in its name."""
    is_database = isinstance(holds, Database) or holds is Database
    return f"{source}.dump.zst" if is_database else f"{source}.tar.zst"


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest in this folder; None when there is none, or one that is not ours."""
    try:
        return msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        return None


def encode_manifest(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"
