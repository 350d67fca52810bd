"""The rig: one for each test, closed with everything it started."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from windlass.store.port import Store

from tests.host.rig import Rig


@pytest_asyncio.fixture
async def rig(dsn: str, store: Store) -> AsyncIterator[Rig]:
    made = Rig(dsn, store)
    yield made
    await made.close()
