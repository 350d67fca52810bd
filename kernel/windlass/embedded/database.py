"""Makes the database `windlass` on a server that serves, and its password when it is to be reached over TCP."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from windlass.embedded.postgres import USER

DATABASE = "windlass"
LOOPBACK = "127.0.0.1"


def open_database(sockets: str, port: int, password_file: Path | None) -> str | None:
    """The DSN of the database, which is made if missing; None when the server is in the middle of a restart.

    With a `password_file` the DSN is one over loopback; the password is random, and only in that file (libpq's form).
    """
    by_socket = make_conninfo(host=sockets, port=port, user=USER, dbname=DATABASE)
    try:
        with _connect_as_owner(by_socket) as connection:
            _create_missing(connection)
            if password_file is None:
                return by_socket
            _set_password(connection, _password(password_file))
    except psycopg.OperationalError:
        return None
    return make_conninfo(by_socket, host=LOOPBACK, passfile=str(password_file))


def _connect_as_owner(dsn: str) -> psycopg.Connection:
    return psycopg.connect(make_conninfo(dsn, dbname="postgres"), autocommit=True, connect_timeout=5)


def _create_missing(connection: psycopg.Connection) -> None:
    if connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
        # Two first users may get here together.
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _set_password(connection: psycopg.Connection, password: str) -> None:
    # The verifier, not the password, is what the server and its log get to see.
    verifier = connection.pgconn.encrypt_password(password.encode(), USER.encode(), b"scram-sha-256").decode()
    statement = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(statement.format(sql.Identifier(USER), sql.Literal(verifier)))


def _password(file: Path) -> str:
    """The password in the file, which is made if missing: whole, or not at all, whoever makes it at the same time."""
    if not file.exists():
        draft = file.with_suffix(f".{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as out:
            out.write(f"{LOOPBACK}:*:*:{USER}:{secrets.token_urlsafe(32)}\n")
        with suppress(FileExistsError):
            os.link(draft, file)
        draft.unlink()
    return file.read_text().strip().rpartition(":")[2]
