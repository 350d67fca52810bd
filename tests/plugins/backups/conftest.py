"""A place for backups, a database with something in it, and the plugin's settings that name both."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.plugins.backups.place import Place, processes

PASSWORD = "s3cret-of-the-tests"

FILLED = """
create table people (id int primary key, name text);
insert into people select n, 'person ' || n from generate_series(1, 1000) n;
create schema "Odd Names";
create table "Odd Names"."a.b ""c"" d" (n int);
insert into "Odd Names"."a.b ""c"" d" select generate_series(1, 7);
create table measured (at date, value int) partition by range (at);
create table measured_26 partition of measured for values from ('2026-01-01') to ('2027-01-01');
insert into measured select '2026-05-05', n from generate_series(1, 50) n;
create table parent (n int);
create table child () inherits (parent);
insert into child values (1), (2);
create table empty (n int);
create materialized view adults as select * from people;
create view names as select name from people;
"""
TABLES = {
    "public.people": 1000,
    'Odd Names.a.b "c" d': 7,
    "public.measured_26": 50,
    "public.parent": 0,
    "public.child": 2,
    "public.empty": 0,
}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A target called disk, and what else a test configures."""
    return Place(tmp_path)


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The DSN of a small database, whose password is asked for by nobody and must be seen by nobody.

    After the test no process that knows it may be left.
    """
    name = f"backed_up_{os.getpid()}"
    with psycopg.connect(postgres, autocommit=True) as admin:
        admin.execute(f"drop database if exists {name} with (force)".encode())
        admin.execute(f"create database {name} template template0".encode())
        dsn = make_conninfo(postgres, dbname=name, password=PASSWORD)
        mark = f"PGHOST={conninfo_to_dict(postgres)['host']}"
        try:
            with psycopg.connect(dsn, autocommit=True) as connection:
                connection.execute(FILLED.encode())
            yield dsn
            assert [process.command for process in processes(mark)] == []
        finally:
            admin.execute(f"drop database {name} with (force)".encode())


@pytest.fixture
def scratches(postgres: str) -> Callable[[], list[str]]:
    """The scratch databases there are on the server."""

    def look() -> list[str]:
        with psycopg.connect(postgres, autocommit=True) as admin:
            rows = admin.execute("select datname from pg_database where datname like 'windlass_verify_%'").fetchall()
        return [row[0] for row in rows]

    return look


@pytest.fixture
def main(place: Place, database: str, postgres: str) -> dict[str, Any]:
    """The settings of a source `main`: the database, proved on the server that it is on."""
    return place.settings(
        {"main": {"type": "postgres", "dsn_file": place.dsn_file("main", database)}},
        verify_dsn_file=place.dsn_file("verify", make_conninfo(postgres, password=PASSWORD)),
    )
