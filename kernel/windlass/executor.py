"""What runs handlers: the contract of an executor, and what it is handed for each attempt.

Windlass brings three: `inline` (on the node's event loop), `thread`, `process` (a separate interpreter).  They are
registered through `windlass_register_executors` like anybody's.  docs/executors.md says what each can promise.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping
from typing import Any, ClassVar, Protocol

from windlass.core.interrupts import Rung
from windlass.errors import BadHandler
from windlass.handler import Context, Handler, Outcome, Rejected, is_blocking


class PayloadMisfit(Rejected):
    """Raised by an executor whose payload does not decode: the task fails at once, and nothing is tidied up."""


class Attempt(Protocol):
    """One attempt, in the hands of an executor from the call of `run` until what that returned is done."""

    @property
    def handler(self) -> Handler[Any]: ...

    @property
    def ctx(self) -> Context:
        """The line to the kernel.  It belongs to the event loop: other threads go through the loop."""

    @property
    def stored(self) -> bytes:
        """The payload as it is stored: JSON."""

    def payload(self) -> Any:
        """The payload, decoded into the handler's type.  Raises `PayloadMisfit`."""

    def cancel(self) -> None:
        """Raise `asyncio.CancelledError` in what `run` returned."""


class Executor(ABC):
    """Runs attempts somewhere.  Made once per node, at boot, and used on its event loop only.

    The call order: `run` for each attempt, any number at a time; for an attempt that must end, `climb` with each of
    `rungs`, in order, until the attempt has ended or no rung is left; at last `close`, once.  Whatever is expensive is
    started by the first `run`, because an executor is also made where it is never used (in a worker process).

    What an executor holds for an attempt (a thread, a process, memory) is free once its `run` is done: the kernel
    starts as many attempts as the pool has slots, and counts on it.
    """

    rungs: ClassVar[tuple[Rung, ...]] = (Rung.ASKED, Rung.RAISED)
    """What this executor can do to an attempt.  After the last of them the attempt is abandoned."""
    runs_async: ClassVar[bool] = True
    """Whether it runs handlers whose `run` is `async def`."""
    runs_blocking: ClassVar[bool] = False
    """Whether it runs handlers whose `run` is a plain `def`; it then hands them a `BlockingContext`."""
    limits_memory: ClassVar[bool] = False
    """Whether it keeps `Handler.memory_limit`."""

    @abstractmethod
    def run(self, attempt: Attempt) -> Awaitable[Outcome]:
        """Run the handler; what is returned is awaited at once, and gives its outcome.

        It may raise: `PayloadMisfit`; whatever the handler raised (`Rejected` fails the task, the rest is a retry);
        `asyncio.CancelledError` when the handler was made to end.  A worker that died is a `Retry` that says how.

        When it is cancelled, no grace is left (a shutdown, or the task is another's): end the work with the strongest
        means there is, wait for that, and raise the cancellation.
        """

    @abstractmethod
    def climb(self, attempt: Attempt, rung: Rung) -> None:
        """Do what this rung means, and return at once; called while `run` is not done.  Must not raise.

        At ASKED `ctx.cancelled` is already set: pass that on to where the handler is.
        """

    async def close(self) -> None:  # noqa: B027 - most have nothing to give back
        """Nothing runs any more: give everything back."""


def executor_name(handler: Handler[Any]) -> str:
    """The name of the executor that runs it: the one it chose, or the usual one."""
    return handler.executor or ("process" if is_blocking(handler) else "inline")


def executor_of(handler: Handler[Any], executors: Mapping[str, Executor]) -> Executor:
    """The executor a handler is run by.  Raises `BadHandler` with what to mend when they do not fit."""
    name, handler_name = executor_name(handler), type(handler).__name__
    blocking = is_blocking(handler)
    executor = executors.get(name)
    if executor is None:
        raise BadHandler(f"{handler_name} wants the executor {name!r}; there are {', '.join(sorted(executors))}")
    if blocking and not executor.runs_blocking:
        raise BadHandler(
            f"{handler_name}.run is a plain `def`, which executor={name!r} does not run: make it `async def`, "
            'or set executor = "process" (or "thread")'
        )
    if not blocking and not executor.runs_async:
        raise BadHandler(
            f"{handler_name}.run is `async def`, which executor={name!r} does not run: make it a plain `def`, "
            'or set executor = "inline" (or "process")'
        )
    if handler.memory_limit is not None and not executor.limits_memory:
        raise BadHandler(
            f'{handler_name} sets memory_limit, which executor={name!r} can\'t keep: set executor = "process"'
        )
    return executor
