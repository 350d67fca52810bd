"""Calls that block, beside the event loop.

A name server that is silent or a file system whose server is gone can hold a call for minutes, or for ever.  In the
event loop's own threads a few of those would stop everything else that uses them, and the node could not end.  So each
call has a daemon thread of its own, which may be left behind, and what hangs is not asked again meanwhile.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 64
"""Threads at once; more means that dozens of calls hang."""
HANGS = 5.0
"""Seconds after which a call that has not come back is not made again beside it."""

_under_way: dict[int, tuple[str, float]] = {}
_numbers = itertools.count(1)


class StillHangs(Exception):
    """An earlier call has not come back yet."""


async def call(what: str, function: Callable[[], T]) -> T:
    """What `function` returns or raises.  Raises `StillHangs` while an earlier call for the same `what` hangs.

    Cancelled, it ends at once; the thread goes on by itself.
    """
    now = time.monotonic()
    if len(_under_way) >= MOST or any(one == what and now - since > HANGS for one, since in _under_way.values()):
        raise StillHangs(f"an earlier look at {what} has not come back")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    number = next(_numbers)

    def work() -> None:
        try:
            outcome: Callable[[], None] = partial(_settle, answer.set_result, answer, function())
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            outcome = partial(_settle, answer.set_exception, answer, error)
        finally:
            _under_way.pop(number, None)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(outcome)

    _under_way[number] = (what, now)
    threading.Thread(target=work, name=f"check {number}", daemon=True).start()
    return await answer


def _settle(settle: Callable[[Any], None], answer: asyncio.Future[Any], value: object) -> None:
    if not answer.done():
        settle(value)
