"""One process' use of the servers of a home folder: starts the supervisor when there is none, and holds on to it."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Self
from urllib.parse import quote

from windlass.embedded import control
from windlass.embedded.control import Answer, Request
from windlass.embedded.errors import EmbeddedError
from windlass.embedded.layout import Layout

POLL = 0.005  # s
STOPPED_WITHIN = 15.0  # s
STARTS = 3  # of a supervisor that ends before it serves, within one call

NO_SETTINGS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Servers:
    """`postgres` is a libpq DSN of the database `windlass`, `valkey` a URL such as unix:///…/valkey.sock, or empty."""

    postgres: str
    valkey: str
    postgres_version: str

    def database(self, name: str) -> str:
        """The DSN of another database on the same server; it need not exist yet."""
        from psycopg.conninfo import make_conninfo  # here for the reason given in _describe

        return make_conninfo(self.postgres, dbname=name)


class Lease:
    """While it is open the servers run. The end of the process, however it comes, closes it too."""

    def __init__(self, servers: Servers, connection: socket.socket) -> None:
        self.servers = servers
        self._connection = connection

    def close(self, wait: float = STOPPED_WITHIN) -> None:
        """Gives up this process' use; the servers stop when nobody else has one. May be called again.

        The last user waits for that, at most `wait` seconds: afterwards it may remove the folder, or, as pid 1 of a
        container, exit, which kills all other processes there at once. Blocks; safe in a thread.
        """
        if self._connection.fileno() < 0:
            return
        with suppress(OSError):  # the supervisor is gone already
            # Not close() alone: a forked child may still hold a copy of the connection.
            self._connection.shutdown(socket.SHUT_WR)
        self.lost(timeout=wait)
        self._connection.close()

    def lost(self, timeout: float = 0.0) -> bool:
        """True when the supervisor died, and the servers with it, or the lease is closed: call start() again.

        Waits up to `timeout` seconds for that to happen. A server that dies alone is the supervisor's to restart.
        """
        return self._connection.fileno() < 0 or _hung_up(self._connection, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    home: Path,
    *,
    valkey: bool = True,
    tcp: bool = False,
    settings: Mapping[str, str] = NO_SETTINGS,
    timeout: float = 20.0,
) -> Lease:
    """PostgreSQL and Valkey of the data directory `home`, started unless another process already has them.

    Blocks until they serve, at most `timeout` seconds; safe in a thread. `settings` are further PostgreSQL settings.
    Both are on unix sockets in a 0700 folder. `tcp` puts PostgreSQL on a free loopback port too, with a random password
    in a 0600 file that the DSN names; Valkey never is. Raises EmbeddedError, whose message says what to do.
    """
    return acquire(home, Request(valkey=valkey, tcp=tcp, settings=dict(settings)), timeout)


def acquire(home: Path, request: Request, timeout: float = 20.0) -> Lease:
    if sys.platform != "linux":
        raise EmbeddedError("Windlass starts its own servers on Linux only: configure a DSN")
    deadline = time.monotonic() + timeout
    layout = Layout.create(home)
    try:
        while (lease := _try(layout, request, deadline)) is None:
            pass
    except OSError as error:
        raise EmbeddedError(f"{error}: see to it, or choose another data directory") from error
    return lease


def _try(layout: Layout, request: Request, deadline: float) -> Lease | None:
    """None when the supervisor was told to end just after it answered."""
    connection, answer = _join(layout, request, deadline)
    with ExitStack() as unless_it_works:
        unless_it_works.enter_context(connection)
        if answer.error:
            raise EmbeddedError(answer.error)
        while not _hung_up(connection):
            if (servers := _describe(layout, request, answer)) is not None:
                unless_it_works.pop_all()
                return Lease(servers, connection)
            if time.monotonic() > deadline:
                raise _too_late(layout)
            time.sleep(POLL)
    return None


def _join(layout: Layout, request: Request, deadline: float) -> tuple[socket.socket, Answer]:
    """A connection to the supervisor, started if need be, and what it answered."""
    starts = 0
    while time.monotonic() < deadline:
        if (connection := control.connect(layout.run)) is not None:
            if (answer := _ask(connection, layout, request, deadline)) is not None:
                return connection, answer
            # Else it was on its way out: its last user left as we came.
        elif (lock := control.take_lock(layout)) is not None:
            try:
                if starts == STARTS:
                    raise EmbeddedError(f"the supervisor does not stay up: see {layout.supervisor_log}")
                _start_supervisor(layout, lock)
            finally:
                os.close(lock)
            starts += 1
        time.sleep(POLL)
    raise _too_late(layout)


def _ask(connection: socket.socket, layout: Layout, request: Request, deadline: float) -> Answer | None:
    """The supervisor's answer, when the servers serve. None, and the connection closed, if it ends before that."""
    with ExitStack() as unless_answered:
        unless_answered.enter_context(connection)
        try:
            connection.settimeout(max(POLL, deadline - time.monotonic()))
            connection.sendall(control.encode(request))
            with connection.makefile("rb") as lines:
                line = lines.readline()
            if not line:
                return None
            answer = control.decode_answer(line)
        except TimeoutError:
            raise _too_late(layout) from None
        except ConnectionError:
            return None
        connection.settimeout(None)
        unless_answered.pop_all()
        return answer


def _start_supervisor(layout: Layout, lock: int) -> None:
    """By exec, never by fork: this may be a process with gRPC's threads. Returns when it has gone its own way."""
    # It finds the modules that we find, however they were found: a relative PYTHONPATH, an edited sys.path.
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    with layout.supervisor_log.open("ab") as log:  # for what goes wrong before it can log
        subprocess.run(
            [sys.executable, "-P", "-m", "windlass.embedded.supervisor", str(layout.home), str(lock)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
            pass_fds=[lock],
            check=False,
        )


def _describe(layout: Layout, request: Request, answer: Answer) -> Servers | None:
    """None when PostgreSQL died at this very moment: the supervisor starts it again."""
    # Here, because the supervisor imports this package too, needs no client, and starts 0.1 s sooner without.
    from windlass.embedded import database

    dsn = database.open_database(answer.sockets, answer.port, layout.password if request.tcp else None)
    if dsn is None:
        return None
    url = f"unix://{quote(answer.valkey)}" if answer.valkey else ""
    return Servers(postgres=dsn, valkey=url, postgres_version=answer.postgres_version)


def _hung_up(connection: socket.socket, timeout: float = 0.0) -> bool:
    """The supervisor says nothing after its answer: what there is to read is the end."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    return bool(poll.poll(timeout * 1000))


def _too_late(layout: Layout) -> EmbeddedError:
    return EmbeddedError(f"the servers of {layout.home} did not serve in time: see {layout.log}, or allow more time")
