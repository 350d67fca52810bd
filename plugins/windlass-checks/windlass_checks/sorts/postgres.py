"""A PostgreSQL server that answers a query; a standby that is not too far behind."""

from __future__ import annotations

import os
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict
from windlass import Rejected

from windlass_checks.look import Finding, Look, milliseconds
from windlass_checks.probes import Postgres
from windlass_checks.text import one_line
from windlass_checks.way import NoSuchHost

Connection = psycopg.AsyncConnection[Any]

NOWHERE = os.path.join(os.devnull, "none")
NOTHING_OF_OURS = {
    # A server that a payload names must not be shown the passwords and certificates of the node's own account.
    "password": "",
    "passfile": NOWHERE,
    "sslcert": NOWHERE,
    "sslkey": NOWHERE,
    "sslrootcert": NOWHERE,
    "gssencmode": "disable",
}
# Without a receiver a standby has replayed all it was sent, and still falls behind.
LAG = """
    select pg_is_in_recovery(),
           case when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() and exists (select from pg_stat_wal_receiver)
                then 0 else extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()) end
"""


async def look_at(look: Look, probe: Postgres) -> Finding:
    try:
        connection = await _connected(look, probe)
    except (NoSuchHost, psycopg.Error) as error:
        return look.down(_in_words(error))
    try:
        return await _asked(look, probe, connection)
    except psycopg.Error as error:
        return look.down(_in_words(error))
    finally:
        connection.pgconn.finish()


async def _connected(look: Look, probe: Postgres) -> Connection:
    if probe.dsn_secret:
        dsn = look.secrets.read("dsn_secret", probe.dsn_secret)
        try:
            parameters = conninfo_to_dict(dsn)
        except psycopg.ProgrammingError:  # its words may hold the password
            raise Rejected(f"dsn_secret: what {probe.dsn_secret!r} holds is no DSN that libpq can read") from None
        look.doing = "connecting"
        return await _connect(**parameters)
    parameters = {"port": probe.port, "dbname": probe.database, "user": probe.user, **NOTHING_OF_OURS}
    if probe.host.startswith("/"):
        look.doing = "connecting"
        return await _connect(host=probe.host, **parameters)
    look.doing = f"looking up {probe.host}"
    target = await look.way.find(probe.host, probe.port)
    look.doing = f"connecting to {target.addresses[0]}"
    return await target.first(lambda address: _connect(host=probe.host, hostaddr=address, **parameters))


async def _connect(**parameters: Any) -> Connection:
    parameters.setdefault("application_name", "windlass-checks")
    # The time of the whole look is the limit; libpq's own is in whole seconds.
    return await psycopg.AsyncConnection.connect(**parameters | {"connect_timeout": 600}, prepare_threshold=None)


async def _asked(look: Look, probe: Postgres, connection: Connection) -> Finding:
    look.doing = "waiting for the query's answer"
    await connection.set_read_only(True)
    cursor = await connection.execute(f"set local statement_timeout = {int(look.patience * 1000)}".encode())
    await cursor.execute(probe.query.encode())
    version = connection.info.server_version
    said = f"PostgreSQL {version // 10_000}.{version % 100} answered in {milliseconds(look.ms())}"
    if probe.expected is not None and (value := _first(cursor)) != probe.expected:
        found = "nothing" if value is None else repr(one_line(value))
        return look.down(f"{said} with {found}; expected {one_line(probe.expected)!r}")
    if probe.most_lag is None:
        return look.up(said)
    await cursor.execute(LAG.encode())
    row = await cursor.fetchone()
    assert row is not None
    is_standby, lag = row
    if not is_standby:
        return look.down(f"{said}; it is no standby, so it has no replication lag")
    if lag is None or lag > probe.most_lag:
        behind = "nothing was replayed yet" if lag is None else f"it is {lag:.0f} s behind"
        return look.down(f"{said}; {behind}, at most {probe.most_lag:g} s are expected")
    return look.up(f"{said}; {lag:.0f} s behind")


def _first(cursor: psycopg.AsyncCursor[Any]) -> str | None:
    """The first value as the server writes it; None when there is no row, or it is null."""
    result = cursor.pgresult
    if result is None or not result.ntuples or not result.nfields:
        return None
    value = result.get_value(0, 0)
    return None if value is None else value.decode(errors="replace")


def _in_words(error: Exception) -> str:
    """What the server said, without what libpq puts before it, and the advice it puts behind."""
    first = (str(error).strip().splitlines() or [""])[0]
    return one_line(first.rpartition(" failed: ")[2] or first) or "the connection broke"
