"""A real pgbouncer in front of the session's PostgreSQL: transactions share few backends, and nothing else is kept."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass.embedded import identity

from tests.system.serving import wait_for

# auth_type any: the socket's folder is 0700, so whoever reaches it is us.
SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
pool_mode = transaction
auth_type = any
listen_addr =
listen_port = 6432
unix_socket_dir = {folder}
logfile = {folder}/pgbouncer.log
default_pool_size = 3
max_client_conn = 500
max_db_connections = 3
"""


class Pooler:
    """Three backends a database for any number of clients."""

    def __init__(self, postgres: str, folder: Path) -> None:
        direct = conninfo_to_dict(postgres)
        facts = {name: direct[name] for name in ("host", "port", "user")}
        file = folder / "pgbouncer.ini"
        file.write_text(SETTINGS.format(folder=folder, **facts))
        program = shutil.which("pgbouncer")
        assert program is not None
        # pgbouncer refuses root, as PostgreSQL does.
        who, reached = identity.choose([folder, Path(str(direct["host"])), Path(program)])
        assert len(reached) == 3
        who.own(folder)
        self._folder = folder
        self._process = subprocess.Popen(
            who.command([program, str(file)], signal.SIGKILL), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        wait_for((folder / ".s.PGSQL.6432").exists, "pgbouncer to listen")

    def before(self, dsn: str) -> str:
        """The same database, through the pooler."""
        return make_conninfo(dsn, host=str(self._folder), port=6432)

    def backends(self, dsn: str) -> int:
        """How many backends this database has, without the asker's."""
        with psycopg.connect(dsn) as connection:
            query = "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            return connection.execute(query).rowcount

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


@pytest.fixture(scope="session")
def pooler(postgres: str) -> Iterator[Pooler]:
    """pgbouncer in transaction mode."""
    with tempfile.TemporaryDirectory(prefix="windlass-pooler-") as folder:
        made = Pooler(postgres, Path(folder))
        yield made
        made.close()


@pytest.fixture
def pooled(pooler: Pooler, dsn: str) -> str:
    """The DSN of the test's own database, through pgbouncer."""
    return pooler.before(dsn)
