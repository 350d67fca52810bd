"""Finishes what must be finished although somebody cancels us meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def persist(work: Coroutine[Any, Any, T]) -> T:
    """Await `work` to its end; a cancellation that arrives in between is raised afterwards, not before.

    For tidying up only, and the work must be bounded: while it runs nobody gets through to us.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # looked at, so that the loop does not report it as forgotten
        raise cancelled
    return task.result()
