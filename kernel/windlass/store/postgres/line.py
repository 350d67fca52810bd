"""A connection of one's own, for a statement that is run again and again.

From the pool each call gets the connection that rested longest: a backend whose caches are cold, and which may not
have prepared the statement yet.  On an idle node a trivial statement took 0.95 ms in place of 0.43 ms.
"""

from __future__ import annotations

import asyncio
from typing import Any

import psycopg

from windlass.store.postgres.connection import Address, Row, answer_due, perform, prepare, translated

KEPT = {"plan_cache_mode": "force_generic_plan", "enable_hashjoin": "off", "enable_mergejoin": "off"}


class Line:
    """One call at a time, in the order of asking.  A broken connection is dialled again at the next call.

    A statement whose plan can't be wrong (it only inserts, or leaves the planner no choice but the index) may have it
    `kept`: planning took as long as the claim itself.
    """

    def __init__(self, address: Address, *, kept: bool = False) -> None:
        self._address = address
        self._dialling = address.dialling(**(KEPT if kept else {}))
        self._connection: psycopg.AsyncConnection[Row] | None = None
        self._turn = asyncio.Lock()
        self._is_closed = False

    @property
    def is_busy(self) -> bool:
        return self._turn.locked()

    async def rows(self, statement: str, parameters: dict[str, Any]) -> list[Row]:
        """One statement, one transaction; its rows."""
        async with self._turn:
            with translated():
                try:
                    return await self._run(statement, parameters)
                except psycopg.DataError:
                    raise
                except BaseException:
                    # Whatever was under way, the next caller must not get its answer.
                    await self._hang_up()
                    raise

    async def close(self) -> None:
        """Hang up for good."""
        self._is_closed = True
        await self._hang_up()

    async def _hang_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    async def _run(self, statement: str, parameters: dict[str, Any]) -> list[Row]:
        if self._is_closed:
            raise psycopg.InterfaceError("the store is closed")
        if self._connection is None:
            self._connection = await psycopg.AsyncConnection.connect(self._address.dsn, **self._dialling)
            await prepare(self._connection)
        with answer_due(self._connection):
            return await perform(self._connection, statement, parameters, pooled=self._address.pooled)
