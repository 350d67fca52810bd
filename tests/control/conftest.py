"""A server in this process with a real channel to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from windlass.store.port import Store

from tests.control.calling import Calling, calling


@pytest_asyncio.fixture
async def server(dsn: str, store: Store) -> AsyncIterator[Calling]:
    async with calling(dsn, store) as made:
        yield made
