"""Streams that outlive their connection: nothing is missed and nothing comes twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, TypeVar

import grpc.aio
from windlass_proto.v1 import event_pb2, tasks_service_pb2

from windlass_client import convert
from windlass_client.connection import LONGEST_STREAM_S, Connection, pauses
from windlass_client.errors import DeadlineExceeded, Unavailable, WindlassError
from windlass_client.events import Event, QueueChange, QueueCurrent, TaskGone, TaskSeen
from windlass_client.resources import Task

if TYPE_CHECKING:
    Request = TypeVar("Request")
    Reply = TypeVar("Reply")
    Streaming = grpc.aio.UnaryStreamCall[Request, Reply] | grpc.aio.StreamStreamCall[Request, Reply]
    OnOutage = Callable[[WindlassError], None] | None
    Watch = grpc.aio.UnaryStreamMultiCallable[tasks_service_pb2.WatchRequest, event_pb2.Event]
    WatchQueue = grpc.aio.UnaryStreamMultiCallable[tasks_service_pb2.WatchQueueRequest, tasks_service_pb2.QueueChange]

STEADY_S = 15.0
"""A stream that breaks after this had been open: an attempt to connect ends sooner."""


async def follow(
    connection: Connection,
    opened: Callable[[], Streaming[Request, Reply]],
    on_outage: OnOutage,
    *,
    is_over: Callable[[], bool] = lambda: False,
) -> AsyncGenerator[Reply, None]:
    """What comes from a stream, which is opened again whenever it breaks, or ends before it `is_over`.

    Unavailable when opening did not succeed for as long as a call may take; `on_outage` is told when an outage begins.
    WindlassError when the client is closed meanwhile.
    """
    outage = Outage(connection)
    while True:
        stream = opened()
        outage.tried()
        try:
            async for message in stream:
                outage.over()
                yield message
            if is_over():
                return
            error: WindlassError = Unavailable("the server ended the stream", reason="STREAM_ENDED")
        except grpc.aio.AioRpcError as refused:
            error = connection.error_of(refused)
            if not isinstance(error, Unavailable | DeadlineExceeded):
                raise error from refused
        except asyncio.CancelledError:
            # So gRPC says that the channel was closed: nobody cancelled the reader, who must hear of it.
            if is_cancelled():
                raise
            raise WindlassError("the client was closed", reason="CLIENT_CLOSED") from None
        finally:
            stream.cancel()
        broke = isinstance(error, Unavailable)  # else it was open as long as a stream may be
        if outage.begins() and broke and on_outage:
            on_outage(error)
        if outage.lasts_too_long():
            raise error
        await asyncio.sleep(next(outage.pauses))


def is_cancelled() -> bool:
    """Whether somebody has cancelled the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def watch(
    connection: Connection, method: Watch, name: str, after_sequence: int, on_outage: OnOutage
) -> AsyncGenerator[Event, None]:
    """Every event of a task behind `after_sequence`, to its last one."""
    last = after_sequence

    def opened() -> grpc.aio.UnaryStreamCall[tasks_service_pb2.WatchRequest, event_pb2.Event]:
        request = tasks_service_pb2.WatchRequest(name=name, after_sequence=last)
        return method(request, timeout=LONGEST_STREAM_S, metadata=connection.metadata)

    async with aclosing(follow(connection, opened, on_outage, is_over=lambda: True)) as messages:
        async for message in messages:
            if message.sequence > last:
                last = message.sequence
                yield convert.event(message)


async def watch_queue(
    connection: Connection, method: WatchQueue, request: tasks_service_pb2.WatchQueueRequest, on_outage: OnOutage
) -> AsyncGenerator[QueueChange, None]:
    """The page of a queue, kept current.

    A stream that was opened again tells its whole page anew: what is as it was is not told again, and what is no longer
    on it has gone.
    """
    page: dict[int, Task] = {}
    unseen: set[int] = set()

    def opened() -> grpc.aio.UnaryStreamCall[tasks_service_pb2.WatchQueueRequest, tasks_service_pb2.QueueChange]:
        unseen.update(page)
        return method(request, timeout=LONGEST_STREAM_S, metadata=connection.metadata)

    async with aclosing(follow(connection, opened, on_outage)) as messages:
        async for message in messages:
            for change in _changes(convert.queue_change(message), page, unseen):
                yield change


def _changes(change: QueueChange, page: dict[int, Task], unseen: set[int]) -> list[QueueChange]:
    """What of it is news for someone who knows this page; `unseen` is what a new stream has not told yet."""
    match change:
        case TaskSeen(task):
            unseen.discard(task.id)
            known, page[task.id] = page.get(task.id), task
            return [] if known == task else [change]
        case TaskGone(id):
            unseen.discard(id)
            return [change] if page.pop(id, None) else []
        case QueueCurrent():
            gone = sorted(unseen)
            unseen.clear()
            return [*(TaskGone(id) for id in gone if page.pop(id, None)), change]
    return [change]


class Outage:
    """The time since a stream last worked, and the pauses between the tries to open it again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._opened = 0.0
        self.over()

    def tried(self) -> None:
        self._opened = time.monotonic()

    def over(self) -> None:
        self._since: float | None = None
        self.pauses = pauses(self._connection.chance)

    def begins(self) -> bool:
        """Asked when a stream broke: whether the one before it worked, or it had itself, however silent it was."""
        now = time.monotonic()
        if now - self._opened > STEADY_S:
            self.over()
        begins = self._since is None
        self._since = now if self._since is None else self._since
        return begins

    def lasts_too_long(self) -> bool:
        return self._since is not None and time.monotonic() - self._since >= self._connection.timeout
