"""Migrations: any number of nodes may start at once, and each finds the same database."""

from __future__ import annotations

import asyncio
import importlib
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from windlass.errors import BootError
from windlass.store.postgres import open_store
from windlass.store.postgres.migrate import migrate, migrations

# The package has a function of the same name.
module = importlib.import_module("windlass.store.postgres.migrate")

CATALOG = """
select 'column', table_name, column_name, data_type || coalesce(' ' || column_default, '') || is_nullable
from information_schema.columns where table_schema = 'windlass'
union all
select 'index', tablename, indexname, indexdef from pg_indexes where schemaname = 'windlass'
union all
select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
from pg_constraint where connamespace = 'windlass'::regnamespace
union all
select 'relation', relname, relkind::text, coalesce(reloptions::text, '') from pg_class
where relnamespace = 'windlass'::regnamespace
union all
select 'view', viewname, '', definition from pg_views where schemaname = 'windlass'
union all
select 'function', proname, '', pg_get_functiondef(oid) from pg_proc where pronamespace = 'windlass'::regnamespace
order by 1, 2, 3, 4
"""


def _catalog(dsn: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(CATALOG).fetchall()


def _execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement)


async def test_the_first_run_applies_all_and_the_second_none(empty: str) -> None:
    assert await migrate(empty) == [name for _, name, _ in migrations()]
    before = _catalog(empty)
    assert await migrate(empty) == []
    assert _catalog(empty) == before


async def test_a_database_migrated_step_by_step_equals_a_fresh_one(
    empty: str, dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations()
    for n in range(1, len(every) + 1):
        monkeypatch.setattr(module, "migrations", lambda n=n: every[:n])
        assert await migrate(empty) == [every[n - 1][1]]
    assert _catalog(empty) == _catalog(dsn)
    assert len(_catalog(dsn)) > 50


async def test_nodes_that_start_at_once_migrate_once(empty: str, dsn: str) -> None:
    ran = await asyncio.gather(*(migrate(empty) for _ in range(3)))
    assert sorted(map(bool, ran)) == [False, False, True]
    assert _catalog(empty) == _catalog(dsn)


async def test_who_may_enqueue_in_sql_still_may_when_its_arguments_have_changed(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = migrations()
    before = every[: [name for _, name, _ in every].index("0010_trace.sql")]
    role = sql.Identifier(f"app_{uuid4().hex}")
    monkeypatch.setattr(module, "migrations", lambda: before)
    await migrate(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(sql.SQL("create role {}").format(role))
        connection.execute(sql.SQL("grant execute on function windlass.enqueue to {}").format(role))
    monkeypatch.setattr(module, "migrations", lambda: every)
    await migrate(empty)
    with psycopg.connect(empty, autocommit=True) as connection:
        may = connection.execute(
            "select r.rolname from pg_roles r, pg_proc p where p.oid = 'windlass.enqueue'::regproc"
            " and has_function_privilege(r.oid, p.oid, 'execute') and not r.rolsuper and r.rolname like 'app\\_%'"
        ).fetchall()
        connection.execute(sql.SQL("drop owned by {role}; drop role {role}").format(role=role))
    assert sql.Identifier(may[0][0]) == role
    assert len(may) == 1


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_a_migration_from_the_future_stops_the_boot(dsn: str) -> None:
    _execute(dsn, "insert into windlass.migration (number, name, digest) values (9999, 'future', '')")
    with pytest.raises(BootError, match="migration 9999, which this version does not know"):
        await open_store(dsn)


async def test_a_migration_that_was_another_one_stops_the_boot(dsn: str) -> None:
    _execute(dsn, "update windlass.migration set digest = 'other' where number = 1")
    with pytest.raises(BootError, match=r"0001_\w+\.sql was another one"):
        await open_store(dsn)


async def test_a_migration_that_fails_leaves_nothing_behind(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [*migrations(), (9998, "9998_broken.sql", "create table windlass.half (); select 1 / 0")]
    monkeypatch.setattr(module, "migrations", lambda: broken)
    with pytest.raises(Exception, match="division by zero"):
        await migrate(empty)
    assert _catalog_is_empty(empty)


def _catalog_is_empty(dsn: str) -> bool:
    with psycopg.connect(dsn) as connection:
        return connection.execute("select to_regnamespace('windlass')").fetchone() == (None,)


async def test_a_server_that_is_too_old_stops_the_boot(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDEST_SERVER", 990_000)
    with pytest.raises(BootError, match=r"PostgreSQL \d+ is too old: Windlass needs 15 or newer"):
        await migrate(empty)
    assert _catalog_is_empty(empty)
