"""Databases for tests: one embedded PostgreSQL a session, one database a test, cloned from a migrated template."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.conninfo import make_conninfo
from windlass import embedded
from windlass.store.postgres import PostgresStore, open_store
from windlass.store.postgres.migrate import migrate

TEMPLATE = "windlass_template"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The DSN of this session's own server, with a migrated template in it."""
    with embedded.start(tmp_path_factory.mktemp("postgres"), valkey=False, settings={"fsync": "off"}) as lease:
        admin = lease.servers.postgres
        _execute(admin, sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        asyncio.run(migrate(make_conninfo(admin, dbname=TEMPLATE)))
        yield admin


@pytest.fixture
def dsn(postgres: str) -> Iterator[str]:
    """A fresh, migrated database of the test's own."""
    name = sql.Identifier(f"windlass_test_{next(_numbers)}")
    _execute(postgres, sql.SQL("create database {} template {}").format(name, sql.Identifier(TEMPLATE)))
    yield make_conninfo(postgres, dbname=name._obj[0])
    _execute(postgres, sql.SQL("drop database {} with (force)").format(name))


@pytest_asyncio.fixture
async def store(dsn: str) -> AsyncIterator[PostgresStore]:
    """A store on the test's own database."""
    opened = await open_store(dsn, connections=6)
    yield opened
    await opened.close()


def _execute(dsn: str, statement: sql.Composed) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)
