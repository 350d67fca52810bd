"""Databases for tests: one embedded PostgreSQL a session, one database a test, cloned from a migrated template."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
import pytest_asyncio
from psycopg import sql
from psycopg.conninfo import make_conninfo
from windlass import embedded
from windlass.embedded.control import Request
from windlass.embedded.lease import acquire
from windlass.store.postgres import PostgresStore, open_store
from windlass.store.postgres.migrate import migrate

TEMPLATE = "windlass_template"
PREFIX = "windlass-tests-"
MEMORY = Path("/dev/shm")
ROOM = 4 * 1024**3
SETTINGS = {"fsync": "off", "max_wal_size": "256MB"}
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The DSN of this session's own server, with a migrated template in it."""
    with (
        tempfile.TemporaryDirectory(prefix=f"{PREFIX}{os.getpid()}-", dir=quick_folder()) as folder,
        _start(Path(folder)) as lease,
    ):
        admin = lease.servers.postgres
        _execute(admin, sql.SQL("create database {}").format(sql.Identifier(TEMPLATE)))
        asyncio.run(migrate(make_conninfo(admin, dbname=TEMPLATE)))
        yield admin


class _Stock:
    """Databases made and dropped beside the tests: the next one is ready when it is asked for."""

    def __init__(self, admin: str) -> None:
        self._beside = ThreadPoolExecutor(1)
        self._connection = psycopg.connect(admin, autocommit=True)
        self._next = self._beside.submit(self._make)

    def take(self) -> str:
        made, self._next = self._next.result(), self._beside.submit(self._make)
        return made

    def give_back(self, name: str) -> None:
        self._beside.submit(self._execute, "drop database {} with (force)", name)

    def close(self) -> None:
        self._beside.shutdown()
        self._connection.close()

    def _make(self) -> str:
        name = f"windlass_test_{next(_numbers)}"
        self._execute(f"create database {{}} template {TEMPLATE}", name)
        return name

    def _execute(self, statement: LiteralString, name: str) -> None:
        self._connection.execute(sql.SQL(statement).format(sql.Identifier(name)))


@pytest.fixture(scope="session")
def _stock(postgres: str) -> Iterator[_Stock]:
    stock = _Stock(postgres)
    yield stock
    stock.close()


@pytest.fixture
def dsn(postgres: str, _stock: _Stock) -> Iterator[str]:
    """A fresh, migrated database of the test's own."""
    name = _stock.take()
    yield make_conninfo(postgres, dbname=name)
    _stock.give_back(name)


@pytest_asyncio.fixture
async def store(dsn: str) -> AsyncIterator[PostgresStore]:
    """A store on the test's own database."""
    opened = await open_store(dsn, connections=6)
    yield opened
    await opened.close()


def _start(home: Path) -> embedded.Lease:
    """The wheel's PostgreSQL, or the one whose programs are in the folder that WINDLASS_TEST_POSTGRES names."""
    if not (folder := os.environ.get("WINDLASS_TEST_POSTGRES")):
        return embedded.start(home, valkey=False, settings=SETTINGS)
    assert Path(folder, "postgres").is_file(), f"WINDLASS_TEST_POSTGRES: there is no PostgreSQL in {folder}"
    # The first on PATH wins where no wheel is asked for.
    os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return acquire(home, Request(valkey=False, settings=SETTINGS, wheels=False))


def quick_folder() -> Path | None:
    """Memory where there is plenty: cloning a database takes 15 ms there, and 150 ms on a disk."""
    for left in MEMORY.glob(f"{PREFIX}*-*"):
        # A session that was killed gives its memory back at the next one.
        if not Path("/proc", left.name.removeprefix(PREFIX).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM else None


def _execute(dsn: str, statement: sql.Composed) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)
