"""Start and stop, written once.  A service is one small file with a `run` that ends only when it is cancelled."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod

import structlog

from windlass.errors import StoreUnavailable

log = structlog.get_logger()

PAUSE_AFTER_FAILURE = 1.0
ASK_AGAIN = 0.5


class Service(ABC):
    """Started once, stopped any number of times, and restarted by itself after an error: it never dies in silence."""

    _task: asyncio.Task[None] | None = None

    @abstractmethod
    async def run(self) -> None:
        """The work.  A store that does not answer may simply raise: `run` is entered again after a pause."""

    def start(self) -> None:
        assert self._task is None, "a service is started once"
        self._task = asyncio.create_task(self._run_always(), name=type(self).__name__)

    async def stop(self) -> None:
        # Again and again: before Python 3.12 a `wait_for` whose future is done at that instant swallows a cancellation.
        while self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,), timeout=ASK_AGAIN)

    async def _run_always(self) -> None:
        while True:
            try:
                await self.run()
            except StoreUnavailable as error:
                log.warning("store does not answer", service=type(self).__name__, error=error.message)
            except Exception:
                log.exception("service failed, starting it again", service=type(self).__name__)
            await asyncio.sleep(PAUSE_AFTER_FAILURE)


class Bell:
    """Rung by anyone, waited for by one: a wait returns at the next ring or after `timeout` seconds.

    One future, because a wake-up stands in every task's way: an Event in a task under `asyncio.wait` took three turns
    of the loop.
    """

    def __init__(self) -> None:
        self._is_rung = False
        self._waiter: asyncio.Future[None] | None = None

    def ring(self) -> None:
        self._is_rung = True
        self._wake()

    async def wait(self, timeout: float | None) -> None:
        if not self._is_rung:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            alarm = None if timeout is None else loop.call_later(timeout, self._wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if alarm is not None:
                    alarm.cancel()
        self._is_rung = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
