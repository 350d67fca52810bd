"""Whether a pooler stands between here and PostgreSQL."""

from __future__ import annotations

import psycopg

from windlass.errors import BootError
from windlass.store.postgres.connection import DIALLING, POOLER_ADVICE, SETTINGS, Address, translated


async def is_pooled(dsn: str) -> bool:
    """A pooler answers for many backends, so the process id it gives at the start is not the backend's own."""
    with translated():
        async with await psycopg.AsyncConnection.connect(dsn, **DIALLING) as connection:
            row = await (await connection.execute("select pg_backend_pid()")).fetchone()
            return row != (connection.info.backend_pid,)


async def check_session(dsn: str) -> None:
    """That what is asked for at the start of a session reaches the backend.  Raises `BootError` or `StoreUnavailable`.

    A pooler that was denied would otherwise show in slow plans, or in a pool that never opens.
    """
    with translated():
        async with await psycopg.AsyncConnection.connect(dsn, **Address(dsn).dialling()) as connection:
            row = await (await connection.execute("select current_setting('plan_cache_mode')")).fetchone()
    if row != (SETTINGS["plan_cache_mode"],):
        raise BootError(f"the settings of a session do not reach the database{POOLER_ADVICE}")
