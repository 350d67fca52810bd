"""A watch that outlives its connection: nothing is missed and nothing comes twice."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable

import grpc.aio
from windlass_proto.v1 import event_pb2, tasks_service_pb2

from windlass_client.connection import Connection, pauses
from windlass_client.convert import event
from windlass_client.errors import DeadlineExceeded, Unavailable, WindlassError
from windlass_client.events import Event
from windlass_client.status import error_of

LONGEST_STREAM_S = 3600.0
"""Then a stream is opened anew: no call is without a deadline."""

STEADY_S = 15.0
"""A stream that breaks after this had been open: an attempt to connect ends sooner."""


async def watch(
    connection: Connection,
    method: grpc.aio.UnaryStreamMultiCallable[tasks_service_pb2.WatchRequest, event_pb2.Event],
    name: str,
    after_sequence: int,
    on_outage: Callable[[WindlassError], None] | None,
) -> AsyncGenerator[Event, None]:
    """Every event behind `after_sequence`, to the task's last one.

    A broken stream is opened again behind the last event that came.  Unavailable when that did not succeed for as long
    as a call may take; `on_outage` is told when one begins.
    """
    last = after_sequence
    outage = Outage(connection)
    while True:
        request = tasks_service_pb2.WatchRequest(name=name, after_sequence=last)
        stream = method(request, timeout=LONGEST_STREAM_S, metadata=connection.metadata)
        outage.tried()
        try:
            async for message in stream:
                outage.over()
                if message.sequence > last:
                    last = message.sequence
                    yield event(message)
            return
        except grpc.aio.AioRpcError as refused:
            error = error_of(refused)
            if not isinstance(error, Unavailable | DeadlineExceeded):
                raise error from refused
            if outage.begins() and on_outage:
                on_outage(error)
            if outage.lasts_too_long():
                raise error from refused
        finally:
            stream.cancel()
        await asyncio.sleep(next(outage.pauses))


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
