"""Work that goes on although whoever waits for it goes away: a client that hangs up, a call whose time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_going_on: set[asyncio.Task[Any]] = set()
"""The loop itself remembers tasks only weakly."""


async def all_at_their_end(seconds: float) -> None:
    """Wait until nothing goes on any more, so long at most."""
    if _going_on:
        await asyncio.wait(_going_on, timeout=seconds)


async def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises; it goes on although this call is cancelled."""
    task = asyncio.create_task(work)
    _going_on.add(task)
    task.add_done_callback(_going_on.discard)
    return await asyncio.shield(task)
