"""The Store over PostgreSQL 15 or newer: the source of truth."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
from psycopg.conninfo import conninfo_to_dict

from windlass.errors import BootError
from windlass.store.port import Store
from windlass.store.postgres.cluster import PostgresCluster
from windlass.store.postgres.connection import Connections
from windlass.store.postgres.hints import listen
from windlass.store.postgres.lanes import PostgresLanes
from windlass.store.postgres.library import PostgresLibrary
from windlass.store.postgres.migrate import migrate
from windlass.store.postgres.pools import PostgresPools
from windlass.store.postgres.queue import PostgresQueue
from windlass.store.postgres.residents import PostgresResidents
from windlass.store.postgres.schedules import PostgresSchedules


class PostgresStore(Store):
    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._queue = PostgresQueue(connections)
        self.queue = self._queue
        self._cluster = PostgresCluster(connections)
        self.cluster = self._cluster
        self.library = PostgresLibrary(connections)
        self.pools = PostgresPools(connections, self._queue)
        self.schedules = PostgresSchedules(connections, self._queue)
        self.residents = PostgresResidents(connections, self._queue)
        self.lanes = PostgresLanes(connections)

    def hints(self) -> AsyncIterator[str]:
        return listen(self._connections.dsn, self._connections.mark)

    async def close(self) -> None:
        self._cluster.stop_renewing()
        await self._queue.close()
        await self._connections.close()


async def open_store(dsn: str, *, connections: int = 10) -> PostgresStore:
    """A store on the database `dsn` names, migrated.  Raises `StoreUnavailable` or `BootError`."""
    try:
        conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        raise BootError(f"store.dsn can't be read: {str(error).strip()}") from error
    await migrate(dsn)
    pool = Connections(dsn, connections)
    await pool.open()
    return PostgresStore(pool)
