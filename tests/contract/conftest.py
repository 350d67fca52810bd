"""The one place that says which stores the contract is held against.

Everything else here is written against store/port.py; only the files named test_postgres_… know a database.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from functools import partial

import pytest
from windlass.store.memory import MemoryStore, World
from windlass.store.port import Store
from windlass.store.postgres import open_store

Door = Callable[[], Awaitable[Store]]


NEEDS_PGBOUNCER = pytest.mark.needs(program="pgbouncer", package="pgbouncer")


@pytest.fixture(params=["memory", "postgres", pytest.param("pooled", marks=NEEDS_PGBOUNCER)])
def door(request: pytest.FixtureRequest) -> Door:
    """Opens a store; each opens the same memory, as every node does.  `pooled` is PostgreSQL behind pgbouncer."""
    if request.param == "pooled":
        return partial(open_store, request.getfixturevalue("pooled"), connections=6)
    if request.param == "postgres":
        return partial(open_store, request.getfixturevalue("dsn"), connections=6)
    world = World(lambda: datetime.now(UTC))

    async def open_memory() -> Store:
        return MemoryStore(world)

    return open_memory


@pytest.fixture
async def store(door: Door) -> AsyncIterator[Store]:
    opened = await door()
    yield opened
    await opened.close()


@pytest.fixture
async def other(door: Door) -> AsyncIterator[Store]:
    """Another node's store over the same memory."""
    opened = await door()
    yield opened
    await opened.close()
