"""How code without an event loop reaches asynchronous code: through a loop that runs in a thread of its own."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

A = TypeVar("A")
P = ParamSpec("P")
T = TypeVar("T")


class Portal:
    """An event loop in a thread of its own, into which other threads hand their calls."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="windlass-client", daemon=True)
        self._thread.start()

    def call(self, work: Awaitable[T]) -> T:
        """The result, or the error; a KeyboardInterrupt meanwhile cancels the work."""
        future = asyncio.run_coroutine_threadsafe(_coroutine(work), self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def close(self) -> None:
        """Waits for what the loop still has to tidy up."""
        self.call(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _coroutine(work: Awaitable[T]) -> T:
    return await work


class Blocking(Generic[A]):
    """Something asynchronous, and the portal to the loop it belongs to."""

    def __init__(self, portal: Portal, wrapped: A) -> None:
        self._portal = portal
        self._wrapped = wrapped


def waits(
    method: Callable[Concatenate[A, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Blocking[A], P], T]:
    """The method, made to wait for its result."""

    @functools.wraps(method)
    def wrapper(self: Blocking[A], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._portal.call(method(self._wrapped, *args, **kwargs))

    return wrapper


def iterates(
    method: Callable[Concatenate[A, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Blocking[A], P], Iterator[T]]:
    """The method, made to wait for each of its items; leaving the loop early ends the call."""

    @functools.wraps(method)
    def wrapper(self: Blocking[A], /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        items = method(self._wrapped, *args, **kwargs)
        end = object()
        try:
            while (item := self._portal.call(anext(items, end))) is not end:
                yield item  # type: ignore[misc]  # it is not the end, so it is a T
        finally:
            with suppress(RuntimeError):  # a KeyboardInterrupt just cancelled it, and it is still about to end
                self._portal.call(items.aclose())

    return wrapper
