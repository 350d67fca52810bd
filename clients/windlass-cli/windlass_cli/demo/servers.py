"""The demo's further servers: a Valkey for buffered writes, and a main database of its own that it may stop and start.

Each is `python -m windlass.embedded` as a child process, which ends with the demo whatever happens.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from windlass_cli.demo.serving import end
from windlass_cli.exits import NOT_REACHABLE, Failure

READY = "Ctrl-C ends them"
STARTED_WITHIN_S = 90.0
LONGEST_FOLDER = 107 - len("/.s.PGSQL.5432")
"""Bytes of a folder for PostgreSQL's socket."""


class EmbeddedServers:
    """Those of one home folder, shared with a server that uses the same."""

    def __init__(self, home: Path, *options: str) -> None:
        self._command = ("-m", "windlass.embedded", str(home), *options)
        self._child: asyncio.subprocess.Process | None = None
        self.said = ""

    async def start(self) -> None:
        """Returns when they serve.  Failure, with what they said, when they do not."""
        self._child = child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "windlass_cli.demo.child", str(os.getpid()), *self._command),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert child.stdout is not None
        self.said = ""
        with suppress(TimeoutError):
            async with asyncio.timeout(STARTED_WITHIN_S):
                while READY not in self.said and (line := await child.stdout.readline()):
                    self.said += line.decode(errors="replace")
        if READY not in self.said:
            await self.stop()
            raise Failure(NOT_REACHABLE, f"the servers for buffered writes did not start: {self.said.strip()}")

    async def stop(self) -> None:
        if self._child is not None:
            await end(self._child, "the servers for buffered writes")
            self._child = None


class MainDatabase:
    """A site's own PostgreSQL.  Its `dsn` stays the same however often it is started."""

    def __init__(self, home: Path, door: Path) -> None:
        self._servers = EmbeddedServers(home, "--no-valkey")
        self._door = door
        self.dsn = f"host={door} port=5432 user=windlass dbname=windlass"

    async def start(self) -> None:
        await self._servers.start()
        found = re.search(r"host=(\S+)", self._servers.said)
        assert found is not None, self._servers.said
        # Its sockets lie in another folder after each start, where its home is no place for them.
        self._door.unlink(missing_ok=True)
        self._door.symlink_to(found[1])

    async def stop(self) -> None:
        """With a checkpoint, as an operator would; it is down when this returns."""
        await self._servers.stop()
        self._door.unlink(missing_ok=True)


@asynccontextmanager
async def main_database(home: Path) -> AsyncGenerator[MainDatabase, None]:
    """One that runs, with its data in `home`."""
    with _folder_for_a_socket(home) as folder:
        database = MainDatabase(home, folder / "db")
        try:
            await database.start()
            yield database
        finally:
            await database.stop()


@contextmanager
def _folder_for_a_socket(home: Path) -> Iterator[Path]:
    """`home` itself, unless its name is too long for that."""
    home.mkdir(mode=0o700, exist_ok=True)
    if len(os.fsencode(home / "db")) <= LONGEST_FOLDER:
        yield home
        return
    with tempfile.TemporaryDirectory(prefix="windlass-") as folder:
        yield Path(folder)


@asynccontextmanager
async def valkey(home: Path) -> AsyncGenerator[str, None]:
    """The URL of the Valkey that a server with this home starts too."""
    servers = EmbeddedServers(home)
    try:
        await servers.start()
        found = re.search(r"unix://\S+", servers.said)
        assert found is not None, servers.said
        yield found[0]
    finally:
        await servers.stop()
