"""Waiting for something to become true, with a deadline: no test sleeps for a guess."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

LOOK_EVERY = 0.005


@overload
async def eventually(look: Callable[[], Awaitable[T]], within: float = ...) -> T: ...
@overload
async def eventually(look: Callable[[], T], within: float = ...) -> T: ...
async def eventually(look: Callable[[], Any], within: float = 10.0) -> Any:
    """What `look` returns once that is true; fails when it is not within so many seconds."""
    deadline = time.monotonic() + within
    while True:
        found = look()
        if inspect.isawaitable(found):
            found = await found
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {within} s; last look: {found!r}"
        await asyncio.sleep(LOOK_EVERY)
