"""A harness of the plugin, and a place below which it may write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import windlass_hosts
from windlass.testing import Harness

Open = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where PushFile may write; its path has no symbolic link in it."""
    allowed = tmp_path.resolve() / "allowed"
    allowed.mkdir()
    return allowed


@pytest.fixture
def opened(place: Path) -> Open:
    """The plugin, with more settings."""

    @asynccontextmanager
    async def make(**settings: Any) -> AsyncIterator[Harness]:
        table = {"directories": [str(place)], "steady": 0.0} | settings
        async with Harness(windlass_hosts, settings={"hosts": table}) as harness:
            yield harness

    return make
