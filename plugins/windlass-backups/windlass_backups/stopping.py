"""How an interrupt reaches what blocks: a database that counts, a program that dumps, a copy of a large file."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from windlass import BlockingContext

from windlass_backups.trouble import Stopped

_LOOK_EVERY = 0.1
_SAY_EVERY = 0.25


class Stop:
    """Made once for an attempt."""

    def __init__(self, cancelled: threading.Event) -> None:
        self._cancelled = cancelled

    def check(self) -> None:
        """Raises Stopped when somebody asked for an interrupt."""
        if self._cancelled.is_set():
            raise Stopped

    @contextmanager
    def ending(self, end: Callable[[], object]) -> Iterator[None]:
        """While the block runs, an interrupt calls `end` from another thread.  Whatever came of it is Stopped."""
        over = threading.Event()
        watching = threading.Thread(target=self._watch, args=(over, end), name="interrupt", daemon=True)
        watching.start()
        try:
            yield
        except Exception as error:
            if self._cancelled.is_set():
                raise Stopped from error
            raise
        finally:
            over.set()
            watching.join()
        self.check()

    def _watch(self, over: threading.Event, end: Callable[[], object]) -> None:
        while not over.wait(_LOOK_EVERY):
            if self._cancelled.is_set():
                end()
                return


class Meter:
    """Says the progress of a long copy, a few times a second, and lets an interrupt in."""

    def __init__(self, ctx: BlockingContext, stop: Stop, total: int | None = None) -> None:
        self._ctx = ctx
        self._stop = stop
        self.total = total
        self._next = 0.0

    def heed(self, done: int) -> None:
        """Raises Stopped.  `done` and the total are bytes; a total that was guessed too low grows."""
        self._stop.check()
        if (now := time.monotonic()) >= self._next:
            self._next = now + _SAY_EVERY
            self._ctx.progress(done, None if self.total is None else max(self.total, done))
