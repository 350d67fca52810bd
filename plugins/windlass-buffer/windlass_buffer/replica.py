"""One replica and what it says: a connection that is made again when it breaks, one query a look."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from windlass_buffer_client.lsn import number

from windlass_buffer.replication import Sight, branches

CONNECT_WITHIN = 5  # s

# A standby's timeline is what it receives now, or, when we may not see that, what it had at its last restart point.
LOOK: LiteralString = """
select (select system_identifier from pg_control_system()), standby,
  case when standby
    then greatest((select timeline_id from pg_control_checkpoint()),
                  (select min_recovery_end_timeline from pg_control_recovery()),
                  (select received_tli from pg_stat_wal_receiver))
    else ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int
  end,
  case when standby then pg_last_wal_replay_lsn() else pg_current_wal_flush_lsn() end
from (select pg_is_in_recovery() as standby offset 0) as now
"""
HISTORY: LiteralString = "select pg_read_file('pg_wal/' || lpad(upper(to_hex(%s::int)), 8, '0') || '.history', true)"
FOUND: LiteralString = "select id::text from windlass_buffer.applied where site = %s and id = any(%s::uuid[])"


class Replica:
    """Used by one thread, but for `cut`.  What goes wrong is psycopg.Error, and the next call connects again."""

    def __init__(self, name: str, dsn: Callable[[], str]) -> None:
        """`dsn` is asked at each connect: a secret may have changed."""
        self.name = name
        self._dsn = dsn
        self._connection: psycopg.Connection | None = None
        self._closing = threading.Lock()
        self._histories: dict[tuple[str, int], Mapping[int, int] | None] = {}

    def look(self) -> Sight:
        """What it has replayed, in which history."""
        found = self._ask(LOOK).fetchone()
        assert found is not None
        system, standby, timeline, replayed = found
        history = self._history(str(system), int(timeline)) if timeline > 1 else {}
        # A replica that has never replayed anything says null.
        position = number(replayed) if replayed else 0
        return Sight(self.name, str(system), int(timeline), position, history, promoted=not standby)

    def find(self, site: str, ids: Iterable[str]) -> frozenset[str]:
        """Those of the ids that are recorded there as applied, as far as we may see that."""
        try:
            rows = self._ask(FOUND, site, list(ids)).fetchall()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InsufficientPrivilege):
            return frozenset()
        return frozenset(row[0] for row in rows)

    def cut(self) -> None:
        """From another thread: ends a call that hangs.  Nothing is sent, so no answer can be left behind."""
        # Under the lock: a descriptor that is closed may be another file's a moment later.
        with self._closing, suppress(OSError, psycopg.Error):
            if self._connection is not None:
                # Of a copy of the descriptor: psycopg's own stays open, and reads the end.
                with socket.socket(fileno=os.dup(self._connection.fileno())) as ours:
                    ours.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._closing:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _ask(self, query: LiteralString, *values: Any) -> psycopg.Cursor[Any]:
        if self._connection is None:
            self._connection = self._connect()
        try:
            return self._connection.execute(query, values or None)
        except psycopg.OperationalError:
            self.close()
            raise

    def _connect(self) -> psycopg.Connection:
        dsn = make_conninfo(self._dsn(), application_name="windlass buffer", connect_timeout=CONNECT_WITHIN)
        return psycopg.connect(dsn, autocommit=True)

    def _history(self, system: str, timeline: int) -> Mapping[int, int] | None:
        """What never changes is read once; what could not be read is tried at each look."""
        found = self._histories.get((system, timeline))
        if found is None:
            self._histories[system, timeline] = found = self._read_history(timeline)
        return found

    def _read_history(self, timeline: int) -> Mapping[int, int] | None:
        try:
            row = self._ask(HISTORY, timeline).fetchone()
        except psycopg.errors.InsufficientPrivilege:
            return None
        return branches(row[0]) if row and row[0] else None
