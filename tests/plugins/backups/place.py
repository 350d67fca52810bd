"""Where a test's backups go, and what is there; and programs that stand in for those of PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from windlass.testing import Harness, Run
from windlass_backups.programs import fitting, installed

SERVER_MAJOR = 18


class Place:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.disk = path / "disk"
        self.disk.mkdir()
        self.scratch = path / "scratch"
        self.scratch.mkdir()

    def settings(self, sources: dict[str, Any], **more: Any) -> dict[str, dict[str, Any]]:
        """The table `[plugins]` with these sources and the target disk."""
        targets = {"disk": {"path": str(self.disk)}} | more.pop("targets", {})
        return {"backups": {"sources": sources, "targets": targets, "scratch": str(self.scratch)} | more}

    def dsn_file(self, name: str, dsn: str) -> str:
        path = self.path / f"{name}.dsn"
        path.write_text(f"{dsn}\n")
        path.chmod(0o600)
        return str(path)

    def programs(self, major: int = SERVER_MAJOR, **scripts: str) -> str:
        """A folder to be named in `pg_bin`: pg_dump and pg_restore, of which some are shell scripts of the test's.

        `$REAL` in a script is the program whose place it takes.
        """
        folder = self.path / "bin"
        folder.mkdir()
        real = fitting(installed(), major, "the test")
        for name in ("pg_dump", "pg_restore"):
            version = f'[ "$1" = --version ] && {{ echo "{name} (PostgreSQL) {major}.0"; exit; }}'
            script = scripts.get(name, 'exec "$REAL" "$@"')
            (folder / name).write_text(f"#!/bin/sh\nREAL={real.folder}/{name}\n{version}\n{script}\n")
            (folder / name).chmod(0o755)
        return str(folder)

    def shelf(self, source: str) -> list[str]:
        """All names below the target's folder of this source, hidden ones too."""
        return sorted(os.listdir(self.disk / source)) if (self.disk / source).is_dir() else []

    def folder(self, source: str) -> Path:
        """The one backup there is."""
        (name,) = self.shelf(source)
        return self.disk / source / name

    def manifest(self, source: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder(source) / "manifest.json").read_text())
        return found

    def change_manifest(self, source: str, **holds: Any) -> None:
        """Other words about what it holds."""
        manifest = self.manifest(source)
        manifest["holds"] |= holds
        (self.folder(source) / "manifest.json").write_text(json.dumps(manifest))

    def flip_a_byte(self, source: str, file: str) -> None:
        path = self.folder(source) / file
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)


async def warm(harness: Harness) -> None:
    """Have its worker process started, so that what is to happen after so many seconds does."""
    (await harness.run("Backup", {"source": "nothing"}, within=60)).assert_failed("there is no 'nothing'")


@asynccontextmanager
async def under_way(harness: Harness, kind: str, **more: Any) -> AsyncIterator[asyncio.Task[Run]]:
    """A task of the source main that runs beside the block; one that fails does not wait for it."""
    task = asyncio.create_task(harness.run(kind, {"source": "main"}, within=60, **more))
    try:
        yield task
    except BaseException:
        task.cancel()
        await asyncio.wait([task])
        raise


class Seen(NamedTuple):
    name: str
    parent: int
    command: list[str]


def processes(of: str) -> list[Seen]:
    """All whose environment holds this text."""
    seen = []
    for process in psutil.process_iter():
        try:
            if of in "\0".join(f"{name}={value}" for name, value in process.environ().items()):
                seen.append(Seen(process.name(), process.ppid(), process.cmdline()))
        except (psutil.Error, OSError):
            continue  # it has just ended
    return seen
