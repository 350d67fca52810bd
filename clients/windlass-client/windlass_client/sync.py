"""The same client for code without an event loop: every method below is the asynchronous one, run on a loop of its own.

Nothing is written twice: `waits` and `iterates` keep name, parameters, types and docstring of the method they wrap.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, Unpack

from windlass_client.client import Client, Handle
from windlass_client.resources import NewTask, Receipt, TaskOptions

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


class SyncHandle(Blocking[Handle]):
    """Handle, for threads."""

    @property
    def id(self) -> int:
        return self._wrapped.id

    @property
    def receipt(self) -> Receipt:
        return self._wrapped.receipt

    watch = iterates(Handle.watch)
    result = waits(Handle.result)
    task = waits(Handle.task)
    interrupt = waits(Handle.interrupt)
    explain = waits(Handle.explain)


class SyncClient(Blocking[Client]):
    """Client, for threads: any number of them may use one.  Close it, or use it as a context manager."""

    @classmethod
    def connect(cls, address: str | None = None, token: str | None = None, *, timeout: float = 30.0) -> Self:
        """As Client.connect."""
        portal = Portal()
        try:
            return cls(portal, portal.call(_connect(address, token, timeout)))
        except BaseException:
            portal.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._portal.call(self._wrapped.close())
        self._portal.close()

    @property
    def address(self) -> str:
        """Of the server this client calls."""
        return self._wrapped.address

    def enqueue(self, kind: str, payload: Any = None, **options: Unpack[TaskOptions]) -> SyncHandle:
        """As Client.enqueue."""
        return SyncHandle(self._portal, self._portal.call(self._wrapped.enqueue(kind, payload, **options)))

    def enqueue_batch(self, tasks: Sequence[NewTask]) -> list[SyncHandle]:
        """As Client.enqueue_batch."""
        return [SyncHandle(self._portal, each) for each in self._portal.call(self._wrapped.enqueue_batch(tasks))]

    def retry(self, id: int, request_id: str | None = None) -> SyncHandle:
        """As Client.retry."""
        return SyncHandle(self._portal, self._portal.call(self._wrapped.retry(id, request_id)))

    ready = waits(Client.ready)
    get_task = waits(Client.get_task)
    list_tasks = iterates(Client.list_tasks)
    task_page = waits(Client.task_page)
    interrupt = waits(Client.interrupt)
    reprioritize = waits(Client.reprioritize)
    explain = waits(Client.explain)
    watch = iterates(Client.watch)
    result = waits(Client.result)
    get_card = waits(Client.get_card)
    list_cards = iterates(Client.list_cards)
    card_page = waits(Client.card_page)
    list_steps = iterates(Client.list_steps)
    step_page = waits(Client.step_page)


async def _connect(address: str | None, token: str | None, timeout: float) -> Client:
    """On the loop that the client will belong to."""
    return Client.connect(address, token, timeout=timeout)
