"""The main database of a site: what the plugin keeps there, and one connection at a time.

Two tables in the schema `windlass_buffer`: `applied` has the id of each transaction, written in the transaction itself,
so that none is applied twice; `position` has one row a site, with how far it is and who may write.

That row is the fence.  Whoever begins to drain takes the next number; each batch locks the row and goes no further with
an older number.  A drainer that was only stopped, and is woken when another has taken over, is refused by it.
"""

from __future__ import annotations

from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import errors

from windlass_buffer.judging import in_words

SCHEMA: tuple[LiteralString, ...] = (
    # Two drainers that start at once: "if not exists" alone can still collide.
    "select pg_advisory_xact_lock(hashtext('windlass_buffer'))",
    "create schema if not exists windlass_buffer",
    """create table if not exists windlass_buffer.applied (
           site text not null, id uuid not null, seq bigint not null, applied_at timestamptz not null default now(),
           primary key (site, id))""",
    "create index if not exists applied_at on windlass_buffer.applied using brin (applied_at)",
    """create table if not exists windlass_buffer.position (
           site text primary key, epoch text not null default '', seq bigint not null default 0,
           fence bigint not null default 0, at timestamptz not null default now())""",
)
IS_THERE = """
    select to_regclass('windlass_buffer.applied') is not null and to_regclass('windlass_buffer.position') is not null
"""
TAKE_FENCE = """
    insert into windlass_buffer.position as p (site, fence) values (%s, 1)
    on conflict (site) do update set fence = p.fence + 1 returning epoch, seq, fence
"""
POSITION: LiteralString = "select epoch, seq from windlass_buffer.position where site = %s"
# Whoever took over before us may still have a transaction open, in a process that is stopped.
END_OTHERS = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where application_name = %s and datname = current_database() and usename = current_user and pid <> pg_backend_pid()
"""
# After a COMMIT: the written position may be behind it, the inserted one is not.  The timeline is in a file's name.
MARK = """
    select lsn::text, ('x' || left(pg_walfile_name(lsn), 8))::bit(32)::int
    from pg_current_wal_insert_lsn() as lsn
"""
PRUNE = """
    delete from windlass_buffer.applied where (site, id) in (
        select site, id from windlass_buffer.applied
        where site = %s and applied_at < now() - make_interval(secs => %s) limit %s)
"""
LOCK_SECONDS = 1
LOCK_TRIES = 10
CONNECT_SECONDS = 5
PRUNED_AT_ONCE = 5_000


class Away(Exception):
    """The database can't work now; its words say why."""


class Mark(NamedTuple):
    """Where the log stood after a COMMIT."""

    lsn: str
    system: str
    timeline: int


class Position(NamedTuple):
    """How far the main database is: everything up to `seq` of `epoch` is finished ("" and 0: nothing yet)."""

    epoch: str
    seq: int


class Database:
    """One connection, which is made when it is needed; not for two threads at once."""

    def __init__(self, dsn: str, site: str) -> None:
        self._dsn = dsn
        self._name = f"windlass-buffer {site}"[:63]
        self.site = site
        self.fence = 0
        self.system = ""
        self.connection: psycopg.Connection[Any] | None = None

    @property
    def is_open(self) -> bool:
        return self.connection is not None and not self.connection.broken

    def open(self) -> Position:
        """Connect and take the fence; what the database says it has.  Raises `Away`.

        Whoever asks must make sure afterwards that it is still the site's drainer.
        """
        self.close()
        try:
            # Its own words hold no password; a DSN that can't be read was refused before.
            self.connection = psycopg.connect(
                self._dsn,
                autocommit=True,
                application_name=self._name,
                connect_timeout=CONNECT_SECONDS,
                **_keepalives(),
            )
            self._look(self.connection)
            return self._take_fence(self.connection)
        except psycopg.Error as error:
            self.close()
            raise Away(in_words(error)) from error

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def prune(self, days: float) -> bool:
        """Forget some transactions that were applied longer ago; whether there may be more.  Raises psycopg.Error."""
        assert self.connection is not None
        return self.connection.execute(PRUNE, (self.site, days * 86_400, PRUNED_AT_ONCE)).rowcount == PRUNED_AT_ONCE

    def position(self) -> Position:
        """How far it is now.  Raises psycopg.Error."""
        assert self.connection is not None
        row = self.connection.execute(POSITION, (self.site,)).fetchone()
        return Position(*row) if row else Position("", 0)

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        query: LiteralString = "select pg_is_in_recovery(), system_identifier::text from pg_control_system()"
        row = connection.execute(query).fetchone()
        assert row is not None
        if row[0]:
            raise errors.ReadOnlySqlTransaction("it is a standby, which takes no writes")
        self.system = row[1]
        there = connection.execute(IS_THERE).fetchone()
        if there is None or not there[0]:
            with connection.transaction():
                for statement in SCHEMA:
                    connection.execute(statement)

    def _take_fence(self, connection: psycopg.Connection[Any]) -> Position:
        for _ in range(LOCK_TRIES):
            try:
                with connection.transaction():
                    connection.execute(f"set local lock_timeout = '{LOCK_SECONDS}s'")
                    row = connection.execute(TAKE_FENCE, (self.site,)).fetchone()
            except errors.LockNotAvailable:
                connection.execute(END_OTHERS, (self._name,))
                continue
            assert row is not None
            self.fence = row[2]
            return Position(row[0], row[1])
        raise errors.LockNotAvailable("another session holds windlass_buffer.position, and can't be ended")


def _keepalives() -> dict[str, Any]:
    """So that a server which is gone without a word is noticed within half a minute."""
    return {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 30_000}
