"""A database held still: one snapshot for the counts and for the dump."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from windlass_backups.login import Login
from windlass_backups.stopping import Stop

# Tables whose rows a dump holds as they are: not foreign ones, not those of extensions, and of a partitioned table its
# partitions.
_TABLES = """
select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  and not exists (select from pg_depend d
                  where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""

_CHECKS_ITS_CLIENT = 140_000
"""The first version whose server notices in the middle of a query that its client is gone."""


class Snapshot:
    """`number` is what pg_dump is told to join.  `database_size` is in bytes."""

    def __init__(self, connection: psycopg.Connection, stop: Stop) -> None:
        self._connection = connection
        self._stop = stop
        self.version = _one(connection, "show server_version").split()[0]
        self.major = connection.info.server_version // 10_000
        self.number = _one(connection, "select pg_export_snapshot()")
        self.database = _one(connection, "select current_database()")
        self.database_size = int(_one(connection, "select pg_database_size(current_database())"))

    def count_rows(self, say: Callable[[int, int], None] = lambda done, total: None) -> dict[str, int]:
        """Rows by table.  Raises Stopped."""
        with self._stop.ending(self._connection.cancel_safe):
            return count_rows(self._connection, say)


@contextmanager
def snapshot(login: Login, stop: Stop) -> Iterator[Snapshot]:
    """It is held until the block is left.  Raises Trouble."""
    with login.connected() as connection:
        prepare(connection)
        with connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            yield Snapshot(connection, stop)


def prepare(connection: psycopg.Connection) -> None:
    """It may take hours, and wait for a program meanwhile; and when we are gone, the server need not go on."""
    for limit in ("statement_timeout", "idle_in_transaction_session_timeout"):
        connection.execute(sql.SQL("set {} = 0").format(sql.Identifier(limit)))
    # Rather an error than a part of the rows.
    connection.execute("set row_security = off")
    if connection.info.server_version >= _CHECKS_ITS_CLIENT:
        connection.execute("set client_connection_check_interval = '1s'")


def count_rows(
    connection: psycopg.Connection, say: Callable[[int, int], None] = lambda done, total: None
) -> dict[str, int]:
    """Rows of each table, by its schema-qualified name."""
    tables = connection.execute(_TABLES).fetchall()
    counts = {}
    for done, (schema, table) in enumerate(tables):
        say(done, len(tables))
        query = sql.SQL("select count(*) from only {}").format(sql.Identifier(schema, table))
        row = connection.execute(query).fetchone()
        assert row is not None
        counts[f"{schema}.{table}"] = int(row[0])
    return counts


def _one(connection: psycopg.Connection, query: str) -> str:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return str(row[0])
