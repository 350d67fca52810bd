"""The Store over PostgreSQL 15 or newer: the source of truth."""

from __future__ import annotations

from collections.abc import AsyncIterator

import psycopg
from psycopg.conninfo import conninfo_to_dict

from windlass.errors import BootError
from windlass.store.port import Store
from windlass.store.postgres.agents import PostgresAgents
from windlass.store.postgres.audit import PostgresAudit
from windlass.store.postgres.cluster import PostgresCluster
from windlass.store.postgres.connection import Address, Connections
from windlass.store.postgres.documents import PostgresDocuments
from windlass.store.postgres.hints import listen
from windlass.store.postgres.lanes import PostgresLanes
from windlass.store.postgres.library import PostgresLibrary
from windlass.store.postgres.migrate import migrate
from windlass.store.postgres.pooler import check_session, is_pooled
from windlass.store.postgres.pools import PostgresPools
from windlass.store.postgres.queue import PostgresQueue
from windlass.store.postgres.residents import PostgresResidents
from windlass.store.postgres.roster import PostgresRoster
from windlass.store.postgres.schedules import PostgresSchedules
from windlass.store.postgres.statistics import PostgresStatistics
from windlass.store.postgres.survey import PostgresSurvey
from windlass.store.postgres.tokens import PostgresTokens
from windlass.store.postgres.upkeep import PostgresUpkeep
from windlass.store.statistics import ConnectionFacts


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
        self.statistics = PostgresStatistics(connections)
        self.survey = PostgresSurvey(connections)
        self.upkeep = PostgresUpkeep(connections)
        self.documents = PostgresDocuments(connections)
        self.audit = PostgresAudit(connections)
        self.roster = PostgresRoster(connections)
        self.tokens = PostgresTokens(connections)
        self.agents = PostgresAgents(connections)

    def hints(self) -> AsyncIterator[str]:
        return listen(self._connections.address, self._connections.mark)

    async def ping(self) -> None:
        await self._connections.rows("ping", {})

    def connections(self) -> ConnectionFacts:
        return self._connections.facts()

    async def close(self) -> None:
        self._cluster.stop_renewing()
        await self._queue.close()
        await self._connections.close()


async def open_store(
    dsn: str, *, connections: int = 10, pooler: bool | None = None, listen_dsn: str = ""
) -> PostgresStore:
    """A store on the database `dsn` names, migrated.  Raises `StoreUnavailable` or `BootError`.

    `pooler`: whether a transaction pooler stands in front of it; None asks the server.  `listen_dsn` leads past it.
    """
    for name, given in (("store.dsn", dsn), ("store.listen_dsn", listen_dsn)):
        try:
            conninfo_to_dict(given)
        except psycopg.ProgrammingError as error:
            raise BootError(f"{name} can't be read: {str(error).strip()}") from error
    await migrate(dsn)
    pooled = await is_pooled(dsn) if pooler is None else pooler
    if pooler is False:
        await check_session(dsn)
    if listen_dsn and await is_pooled(listen_dsn):
        raise BootError("store.listen_dsn leads to a pooler, where nothing is heard: name PostgreSQL itself")
    pool = Connections(Address(dsn, pooled, listen_dsn), connections)
    await pool.open()
    return PostgresStore(pool)
