"""An event loop on a virtual clock: whoever sleeps wakes at once, and the clock has moved by as much.

Hours of leases, pauses and retries pass in milliseconds, always in the same order: timers by their time, then by their
turn.  Threads and sockets have no place in it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Deadlock(Exception):
    """Nothing can happen any more, and somebody still waits."""


class _NoWaiting(selectors.SelectSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock(f"everybody waits at {self.loop.time():.3f} s")
        self.loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        selector = _NoWaiting()
        selector.loop = self
        self._now = 0.0
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and a little more: a sum of floats must not stop just short of a timer."""
        if seconds > 0:
            self._now += seconds + 1e-9


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a virtual clock; what still runs then is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
