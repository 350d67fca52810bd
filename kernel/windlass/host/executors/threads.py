"""`thread`: a thread for each attempt.

A thread can't be killed.  It can have an exception raised in it, which it meets at its next step in Python: code that
waits in the system (a read, `time.sleep`) or in C never does.  Such a thread is abandoned, and goes on.

The threads are no pool's: starting one takes 50 µs, and one that was abandoned or had an exception raised in it is
then nobody's trouble.  They are daemons, so that none of them keeps a node from exiting.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import Any, TypeVar, Unpack, cast

from windlass.core.interrupts import Rung
from windlass.documents import BlockingDocuments, Document, Documents, Listed
from windlass.executor import Attempt, Executor
from windlass.handler import BlockingContext, BlockingLane, Context, Interrupted, Outcome, Wishes
from windlass.host.executors.passage import Inside, Passage

T = TypeVar("T")

LOOK_EVERY = 0.5


class Threads(Executor):
    runs_async = False
    runs_blocking = True

    def __init__(self) -> None:
        self._running: dict[Attempt, _Thread] = {}

    async def run(self, attempt: Attempt) -> Outcome:
        payload = attempt.payload()
        ctx = _ThreadContext(attempt.ctx)
        here = copy_context()
        thread = self._running[attempt] = _Thread(ctx, lambda: here.run(attempt.handler.run, ctx, payload))
        try:
            return await self._outcome(thread)
        finally:
            del self._running[attempt]

    async def _outcome(self, thread: _Thread) -> Outcome:
        thread.start()
        try:
            await asyncio.wait((thread.done,))
        except asyncio.CancelledError:
            thread.ctx.cancelled.set()
            thread.interrupt()
            # It holds its slot until it is over, or abandoned.
            await asyncio.wait((thread.done,))
            raise
        outcome, error = thread.done.result()
        if error is not None:
            raise error
        return cast(Outcome, outcome)

    def climb(self, attempt: Attempt, rung: Rung) -> None:
        if thread := self._running.get(attempt):
            thread.ctx.cancelled.set()
            if rung is Rung.RAISED:
                thread.interrupt()


class _Thread:
    def __init__(self, ctx: _ThreadContext, work: Callable[[], Any]) -> None:
        self.ctx = ctx
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.done: asyncio.Future[tuple[Any, BaseException | None]] = self._loop.create_future()
        self._lock = threading.Lock()
        self._working = True
        task = ctx.task
        self._thread = threading.Thread(target=self._run, name=f"{task.kind} {task.id}/{task.attempt}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def interrupt(self) -> None:
        """Raise `Interrupted` in the handler, if that is not over yet."""
        with self._lock:
            if self._working and self._thread.ident is not None:
                number = ctypes.c_ulong(self._thread.ident)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(Interrupted))

    def _run(self) -> None:
        outcome: Any = None
        error: BaseException | None = None
        try:
            try:
                outcome = self._work()
            finally:
                with self._lock:
                    self._working = False
        except Interrupted:
            error = asyncio.CancelledError()
        except BaseException as raised:  # noqa: BLE001 - it is handed to whoever awaits the attempt
            error = raised
        # One raised just before the handler was over may still be on its way.
        for _ in range(3):
            try:
                self._tell(outcome, error)
                return
            except Interrupted:
                continue

    def _tell(self, outcome: Any, error: BaseException | None) -> None:
        with suppress(RuntimeError):  # an abandoned thread that outlived its node
            self._loop.call_soon_threadsafe(self._settle, outcome, error)

    def _settle(self, outcome: Any, error: BaseException | None) -> None:
        # As a value: a future refuses StopIteration, and one with a SystemExit would end the loop.
        if not self.done.done():
            self.done.set_result((outcome, error))


class _ThreadContext(BlockingContext):
    """Says everything through the loop, and waits for its answer: so it lags when the store does."""

    def __init__(self, ctx: Context) -> None:
        self.task = ctx.task
        self.cancelled = threading.Event()
        self.documents = _ThreadDocuments(ctx.documents, self.ask)
        self._ctx = ctx
        self._loop = asyncio.get_running_loop()

    def stage(self, name: str) -> None:
        self.ask(self._ctx.stage(name))

    def progress(self, current: int, total: int | None = None) -> None:
        self.ask(self._ctx.progress(current, total))

    def step(self, text: str, **data: Any) -> None:
        self.ask(self._ctx.step(text, **data))

    def output(self, data: bytes, stream: str = "stdout") -> None:
        self.ask(self._ctx.output(data, stream))

    @contextmanager
    def lane(self, name: str, waiting: str = "") -> Iterator[BlockingLane]:
        passage = Passage(self._ctx, name, waiting)
        try:
            fence = self.ask(passage.enter())
            yield Inside(name, fence, lambda: self.ask(passage.check()))
        finally:
            self.ask(passage.leave())

    def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        return self.ask(self._ctx.enqueue(kind, payload, **wishes))

    def ask(self, word: Coroutine[Any, Any, T]) -> T:
        """What the loop answers."""
        try:
            said = asyncio.run_coroutine_threadsafe(word, self._loop)
        except RuntimeError:
            # The loop is closed: an abandoned thread that outlived its node has nobody to talk to.
            word.close()
            raise Interrupted from None
        while True:
            try:
                return said.result(LOOK_EVERY)
            except concurrent.futures.TimeoutError:
                # A moment in Python, in which an exception can be raised in us.
                if said.done():
                    raise


class _ThreadDocuments(BlockingDocuments):
    def __init__(self, documents: Documents, ask: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._documents = documents
        self._ask = ask

    def get(self, name: str, version: int | None = None) -> Document | None:
        return cast("Document | None", self._ask(self._documents.get(name, version)))

    def put(self, name: str, value: object, *, expected: int | None = None, keep: int = 1) -> int:
        return cast(int, self._ask(self._documents.put(name, value, expected=expected, keep=keep)))

    def list(self, prefix: str = "", after: str = "", limit: int = 100) -> Listed:
        return cast(Listed, self._ask(self._documents.list(prefix, after, limit)))

    def delete(self, name: str, *, expected: int | None = None) -> bool:
        return cast(bool, self._ask(self._documents.delete(name, expected=expected)))
