"""A PostgreSQL of its own, what can be done to it, and what is asked of it past the system."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass import embedded


def rows(dsn: str, query: LiteralString, *values: Any) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True, connect_timeout=5) as connection:
        return connection.execute(query, values).fetchall()


class Database:
    """All of it blocks, for moments."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lease = embedded.start(home, valkey=False, tcp=True, settings={"max_wal_size": "256MB"})
        self.dsn = self._lease.servers.postgres
        self.port = int(conninfo_to_dict(self.dsn)["port"] or 0)

    def close(self) -> None:
        self._lease.close()

    def fresh(self, name: str) -> str:
        """The DSN of a new, empty database beside it."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return make_conninfo(self.dsn, dbname=name)

    def patiently(self, query: LiteralString, *values: Any, within: float = 15.0) -> list[tuple[Any, ...]]:
        """The same for a server that may be away for a while."""
        deadline = time.monotonic() + within
        while True:
            try:
                return rows(self.dsn, query, *values)
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def restart(self) -> float:
        """An immediate shutdown, as a crash is one; the supervisor starts it again.  Seconds until it answers."""
        began = time.monotonic()
        before = self._postmaster()
        os.kill(before, signal.SIGQUIT)
        _until(lambda: self._postmaster() not in (0, before))
        self.patiently("select 1")
        return time.monotonic() - began

    def end_backends(self, share: float = 1.0) -> int:
        """How many of Windlass's connections were ended."""
        found = self.patiently(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where application_name = 'windlass' and pid <> pg_backend_pid() and random() < %s",
            share,
        )
        return len(found)

    def _postmaster(self) -> int:
        with suppress(OSError, ValueError, IndexError):
            return int((self._home / "postgres" / "postmaster.pid").read_text().splitlines()[0])
        return 0


def _until(condition: Callable[[], bool], within: float = 20.0) -> None:
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, "PostgreSQL did not come back"
        time.sleep(0.01)
