"""Inside a worker process: one task from its decoding to its `Done`, in the main thread."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from windlass.handler import Failed, Handler, Interrupted, Retry, Success, is_blocking
from windlass.host.context import clean
from windlass.host.executors import wire
from windlass.host.executors.asking import Asking
from windlass.host.executors.words import AsyncWorkerContext, Interrupting, Line, Speaking, WorkerContext
from windlass.host.verdicts import LARGEST_RESULT, outcome_of
from windlass.telemetry.relay import within


class Job:
    """`run` it in the main thread; `ask`, `interrupt` and `answered` come from another."""

    def __init__(
        self, order: wire.Run, handler: Handler[Any], decode: Callable[[bytes], Any], line: Line, it: Interrupting
    ) -> None:
        self._order = order
        self._handler = handler
        self._decode = decode
        self._line = line
        self._interrupting = it
        self._speaking = Speaking(line)
        self._asking = Asking(line.send)
        self._asked = order.asked
        self._to_raise = False
        self._ask: Callable[[], None] = lambda: None
        self._raise: Callable[[], None] = lambda: None

    def ask(self) -> None:
        self._asked = True
        self._ask()

    def interrupt(self) -> None:
        self._to_raise = True
        self.ask()
        self._raise()

    def answered(self, answer: wire.Answer) -> None:
        self._asking.answered(answer)

    def run(self) -> wire.Done:
        threads = threading.active_count()
        # As the last task may have changed them.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGUSR1, self._interrupting.on_signal)
        with within(self._order.trace, self._speaking.traced), _memory_limited(self._handler.memory_limit):
            done, spoiled = self._run()
        self._speaking.over = True
        self._asking.close()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        is_clean = not spoiled and threading.active_count() <= threads and not _has_children()
        return msgspec.structs.replace(done, message=clean(done.message), clean=is_clean)

    def _run(self) -> tuple[wire.Done, bool]:
        """What came of it, and whether the interpreter suffered."""
        try:
            payload = self._decode(self._order.payload)
        except Exception as error:  # noqa: BLE001 - the type may bring decoding of its own
            return wire.Done("misfit", f"the payload does not fit {self._handler.kind}: {error}"), False
        self._line.send(wire.Begun())
        try:
            outcome = self._block(payload) if is_blocking(self._handler) else self._loop(payload)
        except (Interrupted, asyncio.CancelledError) as error:
            return (wire.Done("cancelled") if self._to_raise else _done(outcome_of(error), self._handler.kind)), True
        except BaseException as error:  # noqa: BLE001 - whatever it raises, the node hears of it
            spoiled = isinstance(error, MemoryError | RecursionError)
            return _done(outcome_of(error), self._handler.kind), spoiled
        return _done(outcome, self._handler.kind), False

    def _block(self, payload: Any) -> Any:
        ctx = WorkerContext(self._order.task, self._speaking, self._asking)
        main = threading.main_thread().ident
        assert main is not None
        self._ask = ctx.cancelled.set
        self._raise = lambda: signal.pthread_kill(main, signal.SIGUSR1)
        if self._asked:
            ctx.cancelled.set()
        try:
            self._interrupting.arm()
            if self._to_raise:
                raise Interrupted
            return self._handler.run(ctx, payload)
        finally:
            self._interrupting.disarm()

    def _loop(self, payload: Any) -> Any:
        with asyncio.Runner() as runner:
            return runner.run(self._in_loop(payload))

    async def _in_loop(self, payload: Any) -> Any:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        ctx = AsyncWorkerContext(self._order.task, self._speaking, self._asking)
        self._ask = lambda: _tell(loop, ctx.cancelled.set)
        self._raise = lambda: _tell(loop, task.cancel)
        if self._asked:
            ctx.cancelled.set()
        if self._to_raise:
            raise asyncio.CancelledError
        return await self._handler.run(ctx, payload)  # type: ignore[misc]


def _tell(loop: asyncio.AbstractEventLoop, call: Callable[[], object]) -> None:
    with suppress(RuntimeError):  # it is over
        loop.call_soon_threadsafe(call)


def _done(outcome: object, kind: str) -> wire.Done:
    """An outcome as it travels.  Never raises."""
    try:
        match outcome:
            case Success():
                return wire.Done("success", result=_json(outcome.result))
            case Failed():
                return wire.Done("failed", str(outcome.message), _json(outcome.result))
            case Retry():
                after = None if outcome.after is None else outcome.after.total_seconds()
                return wire.Done("retry", str(outcome.message), _json(outcome.result), after)
        wrong = f"{type(outcome).__name__}, not Success, Failed or Retry"
    except _TooLarge as error:
        return wire.Done("failed", str(error))
    except (TypeError, ValueError, RecursionError) as error:
        return wire.Done("failed", f"the result can't be kept as JSON: {error}")
    except Exception as error:  # noqa: BLE001 - outcomes are not checked where they are made
        wrong = f"an outcome that can't be kept: {type(error).__name__}: {error}"
    return wire.Done("failed", f"the handler of {kind} returned {wrong}")


class _TooLarge(Exception):
    pass


def _json(result: Any) -> bytes | None:
    if result is None:
        return None
    encoded = msgspec.json.encode(result)
    if len(encoded) > LARGEST_RESULT:
        raise _TooLarge(f"the result has {len(encoded)} bytes; at most {LARGEST_RESULT} are kept")
    return encoded


def _has_children() -> bool:
    """Whether the task left a process behind, living or not; as a subreaper we are the parent of its orphans too."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@contextmanager
def _memory_limited(limit: int | None) -> Iterator[None]:
    """Address space: what the interpreter has now and so many bytes more, for it and for each child it starts."""
    if limit is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
    ceiling = in_use + limit if before[1] == resource.RLIM_INFINITY else min(in_use + limit, before[1])
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
