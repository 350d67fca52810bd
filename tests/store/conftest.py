"""What only the PostgreSQL store promises; what every store promises is in tests/contract."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

_numbers = itertools.count(1)


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """The DSN of a database in which nothing is."""
    name = f"windlass_empty_{next(_numbers)}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        yield make_conninfo(postgres, dbname=name)
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def cut(postgres: str, dsn: str) -> Callable[[], int]:
    """Ends every connection to the test's database; returns how many those were."""

    def terminate() -> int:
        with psycopg.connect(postgres, autocommit=True) as admin:
            query = "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s"
            return len(admin.execute(query, (conninfo_to_dict(dsn)["dbname"],)).fetchall())

    return terminate
