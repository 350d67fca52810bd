"""Migrations: numbered, forward only, one transaction each, behind one lock."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from importlib.resources import files

import psycopg

from windlass.errors import BootError
from windlass.store.postgres.connection import DIALLING, Row, translated

OLDEST_SERVER = 150_000


async def migrate(dsn: str) -> list[str]:
    """Bring the database up to date; returns the names of the migrations that ran.

    Any number of nodes may start at once: the first takes the lock, the others find nothing left to do.
    """
    with translated():
        async with await psycopg.AsyncConnection.connect(dsn, **DIALLING) as connection:
            if connection.info.server_version < OLDEST_SERVER:
                found = connection.info.server_version // 10_000
                raise BootError(f"PostgreSQL {found} is too old: Windlass needs 15 or newer")
            return await _apply_missing(connection)


async def _apply_missing(connection: psycopg.AsyncConnection[Row]) -> list[str]:
    async with connection.transaction(), connection.cursor() as cursor:
        # A transaction's lock, not a session's: it can't leak behind a pooler.
        await cursor.execute("select pg_advisory_xact_lock(hashtext('windlass.migration'))")
        await cursor.execute("create schema if not exists windlass")
        await cursor.execute(
            "create table if not exists windlass.migration"
            " (number integer primary key, name text not null, digest text not null,"
            " applied_at timestamptz not null default now())"
        )
        await cursor.execute("select number, digest from windlass.migration")
        missing = _missing(dict(await cursor.fetchall()))
        for number, name, text in missing:
            await cursor.execute(text.encode())
            row = (number, name, _digest(text))
            await cursor.execute("insert into windlass.migration (number, name, digest) values (%s, %s, %s)", row)
        return [name for _, name, _ in missing]


def _missing(done: Mapping[int, str]) -> list[tuple[int, str, str]]:
    known = {number: (number, name, text) for number, name, text in migrations()}
    if unknown := done.keys() - known.keys():
        raise BootError(
            f"the database has migration {max(unknown)}, which this version does not know:"
            " start the newer Windlass that made it"
        )
    for number, digest in done.items():
        if digest != _digest(known[number][2]):
            raise BootError(
                f"the database was made by a version whose {known[number][1]} was another one:"
                " start that version, or use a new database"
            )
    return [migration for number, migration in known.items() if number not in done]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def migrations() -> list[tuple[int, str, str]]:
    """All migrations in order: number, file name, SQL."""
    folder = files(__package__).joinpath("migrations")
    names = ((re.fullmatch(r"(\d{4})_\w+\.sql", file.name), file) for file in folder.iterdir())
    return sorted((int(name[1]), file.name, file.read_text("utf-8")) for name, file in names if name)
