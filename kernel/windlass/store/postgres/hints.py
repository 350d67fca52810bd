"""Hints: words over LISTEN/NOTIFY that something may have changed.

Deaf after a reconnect is how many queues stall, so each (re)connection yields an empty word: look at everything once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import psycopg

from windlass.store.postgres.connection import Address, answer_due

RETRY_SECONDS = 0.5
PROBE_SECONDS = 10.0
PROBE_ANSWER_SECONDS = 5.0


async def listen(address: Address, own_mark: str) -> AsyncIterator[str]:
    """Words that others said, until the caller stops; reconnects by itself, and probes a silent connection.

    Behind a pooler without a way around it there is nothing to hear: one empty word, and silence.
    """
    if address.pooled and not address.listen_dsn:
        yield ""
        await asyncio.get_running_loop().create_future()
    direct = Address(address.listen_dsn or address.dsn)
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(direct.dsn, **direct.dialling()) as connection:
                with answer_due(connection, PROBE_ANSWER_SECONDS):
                    await connection.execute("listen windlass")
                yield ""
                while True:
                    async for word in connection.notifies(timeout=PROBE_SECONDS):
                        said, _, mark = word.payload.partition(" ")
                        if mark != own_mark:
                            yield said
                    with answer_due(connection, PROBE_ANSWER_SECONDS):
                        await connection.execute("select 1")
        except psycopg.Error:
            await asyncio.sleep(RETRY_SECONDS)
