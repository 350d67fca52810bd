"""How PostgreSQL is created, started and asked."""

from __future__ import annotations

import os
import re
import shutil
import socket
import struct
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from windlass.embedded.binaries import PostgresBinaries
from windlass.embedded.bounded_log import BoundedLog
from windlass.embedded.errors import EmbeddedError
from windlass.embedded.identity import Identity
from windlass.embedded.leftovers import claim
from windlass.embedded.program import Program, launch
from windlass.embedded.readiness import answers

USER = "windlass"
DEFAULT_PORT = 5432  # without TCP it only names the socket
UNFINISHED = "postgres.new-"

SETTINGS = {
    "autovacuum_naptime": "10s",  # hot tables are tiny and turn over in seconds
    "fsync": "on",
    "log_timezone": "UTC",
    "logging_collector": "off",  # the supervisor keeps the log, see bounded_log.py
    "max_connections": "200",
    "max_wal_size": "2GB",  # a checkpoint every few minutes under load, not every few seconds
    "shared_buffers": "256MB",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "wal_level": "replica",
}
OURS = {"config_file", "data_directory", "hba_file", "listen_addresses", "port", "unix_socket_directories"}


@dataclass(frozen=True, slots=True)
class Postgres:
    """One data folder and what serves it. `reachable`: whether the identity may enter the folder by its path."""

    data: Path
    sockets: Path
    port: int
    tcp: bool
    binaries: PostgresBinaries
    identity: Identity
    reachable: bool
    settings: Mapping[str, str]

    def program(self) -> Program:
        return Program(
            name="PostgreSQL",
            folder=self.data,
            argv=self._argv,
            death_signal=Signals.SIGQUIT,  # "immediate": the postmaster takes its backends along, SIGKILL would not
            # SIGINT is a "fast" shutdown: sessions are ended, then a checkpoint, which a slow disk may take long over.
            stop_signals=((Signals.SIGINT, 60.0), (Signals.SIGQUIT, 5.0), (Signals.SIGKILL, 5.0)),
            answers=self._answers,
            sweep=self._sweep,
        )

    def _argv(self, descriptor: int) -> Sequence[str]:
        # Without a password only because the folder is 0700: whoever can name the socket is us, or root.
        # initdb wrote `local all all trust`.
        where = {
            "listen_addresses": "127.0.0.1" if self.tcp else "",
            "port": str(self.port),
            "unix_socket_directories": str(self.sockets),
            "unix_socket_permissions": "0700",
        }
        settings = SETTINGS | dict(self.settings) | where
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return [str(self.binaries.server), "-D", _folder(self.data, descriptor, self.reachable), *options]

    async def _answers(self) -> bool:
        # The file first: to connect before PostgreSQL accepts costs a FATAL line in its log each time.
        with suppress(OSError):
            lines = (self.data / "postmaster.pid").read_text().splitlines()
            if len(lines) > 7 and lines[7].startswith("ready"):  # what pg_ctl looks at, LOCK_FILE_LINE_PM_STATUS
                return await answers(self.sockets / f".s.PGSQL.{self.port}", _hello(), b"R")
        return False

    def _sweep(self) -> None:
        """The lock proves that no server of ours runs; PostgreSQL itself would mistake a reused pid for one."""
        pid_file = self.data / "postmaster.pid"
        if (pid := _foreign_server(self.data, pid_file)) is not None:
            raise EmbeddedError(
                f"a PostgreSQL that Windlass did not start (process {pid}) already runs on {self.data}: stop it first"
            )
        pid_file.unlink(missing_ok=True)
        for stale in self.sockets.glob(".s.PGSQL.*"):
            stale.unlink()


def data_major(data: Path) -> int | None:
    """The major version that made the data; None where there is none yet. Raises EmbeddedError on anything else."""
    try:
        return int((data / "PG_VERSION").read_text())
    except FileNotFoundError:
        if data.exists() and any(data.iterdir()):
            raise EmbeddedError(f"{data} is not PostgreSQL's and not empty: move it away") from None
        return None
    except ValueError as error:
        raise EmbeddedError(f"{data}/PG_VERSION is damaged: restore the folder from a backup") from error


def check_major(data: Path, major: int | None, binaries: PostgresBinaries) -> None:
    if major is not None and major != binaries.major:
        raise EmbeddedError(
            f"{data} was made by PostgreSQL {major}, and only PostgreSQL {binaries.version} is installed: install "
            f"PostgreSQL {major}, or move the folder away and restore a dump of it"
        )


def check_settings(settings: Mapping[str, str]) -> None:
    for name in settings:
        if name in OURS or not re.fullmatch(r"[a-z_][a-z0-9_.]*", name, re.IGNORECASE):
            raise EmbeddedError(f"the PostgreSQL setting {name!r} is not one to choose here: leave it out")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def create(postgres: Postgres, output: BoundedLog) -> None:
    """Runs initdb beside the data folder and renames: killed at any moment it leaves no half-made data folder."""
    home = postgres.data.parent
    for earlier in _unfinished(home):
        os.close(await claim(earlier))
        shutil.rmtree(earlier)
    unfinished = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=home))
    postgres.identity.own(unfinished)
    await _run_initdb(unfinished, postgres, output)
    _rename_durably(unfinished, postgres.data)


async def _run_initdb(folder: Path, postgres: Postgres, output: BoundedLog) -> None:
    def argv(descriptor: int) -> Sequence[str]:
        data = _folder(folder, descriptor, postgres.reachable)
        return [str(postgres.binaries.initdb), "-D", data, *_initdb_options(postgres.binaries.major)]

    process = await launch(Program("initdb", folder, argv, Signals.SIGKILL), postgres.identity)
    assert process.stdout is not None
    try:
        await output.follow(process.stdout)
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
    if code != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise EmbeddedError(f"initdb failed: {output.last_words()} (all of it: {output.path})")


def _unfinished(home: Path) -> list[Path]:
    return list(home.glob(f"{UNFINISHED}*"))


def _rename_durably(unfinished: Path, data: Path) -> None:
    unfinished.rename(data)
    descriptor = os.open(data.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)  # initdb synced what is inside; this is the name
    finally:
        os.close(descriptor)


def _initdb_options(major: int) -> list[str]:
    options = [f"--username={USER}", "--encoding=UTF8", "--locale=C", "--data-checksums"]
    options += ["--auth-local=trust", "--auth-host=scram-sha-256"]  # trust: see _argv
    if major >= 17:
        # Code point order like C, and upper() that knows more than ASCII, whatever the machine's libc has.
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return options


def _folder(folder: Path, descriptor: int, reachable: bool) -> str:
    """The folder's path, or a name that needs no permission on the folders above: the descriptor we inherited."""
    return str(folder) if reachable else f"/proc/self/fd/{descriptor}"


def _hello() -> bytes:
    """A start-up message (protocol 3.0) and, right behind it, the goodbye."""
    body = struct.pack("!i", 196608) + f"user\0{USER}\0database\0postgres\0\0".encode()
    return struct.pack("!i", len(body) + 4) + body + b"X\0\0\0\4"


def _foreign_server(data: Path, pid_file: Path) -> int | None:
    """The server named in the pid file, if it lives and really works in this folder."""
    with suppress(OSError, ValueError, IndexError):
        pid = int(pid_file.read_text().splitlines()[0])
        if Path(f"/proc/{pid}/cwd").samefile(data):
            return pid
    return None
