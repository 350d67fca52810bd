"""Whoever acts for a task waits while the store is away: what it asks is written so that asking again is right."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from windlass.errors import StoreUnavailable

log = structlog.get_logger()

T = TypeVar("T")

RETRY_PAUSE = 0.5


async def patiently(ask: Callable[[], Awaitable[T]], waiting: str, **facts: object) -> T:
    """What `ask` returns, or raises, once the store answers.  The log says what waits until then, and of whom."""
    while True:
        try:
            return await ask()
        except StoreUnavailable as error:
            log.warning("store does not answer", waiting=waiting, error=error.message, **facts)
            await asyncio.sleep(RETRY_PAUSE)
