"""An event loop on a virtual clock: whoever sleeps wakes at once, and the clock has moved by as much.

Hours of leases, pauses and retries pass in milliseconds, always in the same order: timers by their time, then by their
turn.  While something runs in a thread (`asyncio.to_thread`) the clock keeps real time.  Sockets and processes have no
place in it.
"""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Deadlock(Exception):
    """Nothing can happen any more, and somebody still waits."""


class _NoWaiting(selectors.SelectSelector):
    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self.loop.threads:
            began = time.monotonic()
            ready = super().select(timeout)
            waited = time.monotonic() - began
            self.loop.waited += waited
            self.loop.pass_time(waited)
            return ready
        if timeout is None:
            raise Deadlock(f"everybody waits at {self.loop.time():.3f} s")
        self.loop.pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    threads = 0
    """How many calls are on their way in threads."""
    waited = 0.0
    """Real seconds spent waiting for them."""

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

    def run_in_executor(self, *arguments: Any) -> Any:  # type: ignore[override]
        future = super().run_in_executor(*arguments)
        self.threads += 1
        future.add_done_callback(self._thread_ended)
        return future

    def _thread_ended(self, _: object) -> None:
        self.threads -= 1

    async def shutdown_default_executor(self, *arguments: Any) -> None:
        self.threads += 1  # it waits in a thread for the threads
        try:
            await super().shutdown_default_executor(*arguments)
        finally:
            self.threads -= 1


@contextmanager
def real_time() -> Iterator[None]:
    """Inside, the clock of a virtual loop keeps real time: something goes on that it does not see."""
    loop = asyncio.get_running_loop()
    if not isinstance(loop, VirtualLoop):
        yield
        return
    loop.threads += 1
    try:
        yield
    finally:
        loop.threads -= 1


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end on a virtual clock; what still runs then is cancelled."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """An `async def` test as a plain one that runs on a virtual clock; pytest needs no plugin for it."""

    @functools.wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> T:
        return run_virtually(test(*arguments, **named))

    return run
