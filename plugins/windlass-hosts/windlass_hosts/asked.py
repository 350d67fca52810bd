"""Work that ends when somebody asks for an interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from windlass import Context

T = TypeVar("T")


class Asked(Exception):
    """Somebody asked for an interrupt, and the work was ended."""


async def unless_asked(ctx: Context, work: Coroutine[Any, Any, T]) -> T:
    """What it gives, or raises; `Asked` as soon as somebody asks for an interrupt."""
    working, asked = asyncio.create_task(work), asyncio.create_task(ctx.cancelled.wait())
    try:
        await asyncio.wait((working, asked), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Asked
        return working.result()
    finally:
        for task in (working, asked):
            task.cancel()
        await asyncio.gather(working, asked, return_exceptions=True)
