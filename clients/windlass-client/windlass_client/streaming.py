"""Enqueueing what keeps coming: in order, in batches, and over outages without a loss or a repeat.

A reader takes tasks from the caller's source and gives each its request id.  A stream sends them in messages: as many
as have come while others were under way, up to a limit.  What has not been answered is kept; a stream that was opened
again sends that first, and the request ids keep it from being stored twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import uuid4

import grpc.aio
from windlass_proto.v1 import tasks_service_pb2

from windlass_client import convert
from windlass_client.connection import LONGEST_STREAM_S, Connection
from windlass_client.errors import HandshakeFailed, Unavailable, WindlassError
from windlass_client.resources import NewTask, Receipt
from windlass_client.watching import follow

if TYPE_CHECKING:
    Request = tasks_service_pb2.EnqueueStreamRequest
    Reply = tasks_service_pb2.EnqueueStreamResponse
    Method = grpc.aio.StreamStreamMultiCallable[Request, Reply]

READ_AHEAD = 1000
"""Tasks taken from the source before they can be sent; a list is taken as a whole."""
UNDER_WAY = 8
"""Messages that wait for their answers; what comes meanwhile goes into the next one."""
LARGEST_BATCH = 500
LARGEST_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Message:
    """Requests that go together.  A `whole` one was put together by the caller: all of it is stored, or none."""

    requests: tuple[tasks_service_pb2.EnqueueRequest, ...]
    whole: bool


async def enqueue_stream(
    connection: Connection,
    method: Method,
    source: AsyncIterable[NewTask | Sequence[NewTask]],
    on_outage: Callable[[WindlassError], None] | None,
) -> AsyncGenerator[Receipt, None]:
    """One receipt for each task of the source, in its order.

    When a task is refused, those before it have been answered, and neither it nor one behind it was stored.
    """
    outbox = Outbox()
    reading = asyncio.create_task(outbox.read(source))

    def opened() -> grpc.aio.StreamStreamCall[Request, Reply]:
        return method(outbox.messages(), timeout=LONGEST_STREAM_S, metadata=connection.metadata)

    try:
        while not outbox.is_over():
            try:
                async with aclosing(follow(connection, opened, on_outage, is_over=outbox.is_over)) as replies:
                    async for reply in replies:
                        for receipt in outbox.answered(reply):
                            yield receipt
            except WindlassError as error:
                # An outage blames no task.
                if isinstance(error, Unavailable | HandshakeFailed) or not outbox.split():
                    raise
        if outbox.error:
            raise outbox.error
    finally:
        reading.cancel()
        outbox.close()


class Outbox:
    """What was read and not sent, and what was sent and not answered."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self._waiting: deque[Message] = deque()
        self._ahead = 0
        self._ended = False
        self._sent: deque[Message] = deque()
        self._changed = asyncio.Event()
        self._streams = 0

    async def read(self, source: AsyncIterable[NewTask | Sequence[NewTask]]) -> None:
        """To the end of the source; its error, or that of a task that cannot be sent, is kept for then."""
        try:
            async for item in source:
                tasks = (item,) if isinstance(item, NewTask) else item
                requests = tuple(convert.enqueue_request(task, task.request_id or str(uuid4())) for task in tasks)
                if requests:
                    await self._until(lambda: self._ahead < READ_AHEAD)
                    self._waiting.append(Message(requests, not isinstance(item, NewTask)))
                    self._ahead += len(requests)
                    self._changed.set()
        except Exception as error:  # noqa: BLE001 - it is raised where the caller waits, behind what came before it
            self.error = error
        self._ended = True
        self._changed.set()

    def is_over(self) -> bool:
        """Whether everything was read, sent and answered."""
        return self._ended and not self._waiting and not self._sent

    async def messages(self) -> AsyncIterator[Request]:
        """What one stream sends: first what an earlier one got no answer for.  It ends when the next one begins."""
        self.close()
        mine = self._streams
        for message in tuple(self._sent):
            yield tasks_service_pb2.EnqueueStreamRequest(requests=message.requests)
        while True:
            await self._until(lambda: mine != self._streams or self._may_send() or (self._ended and not self._waiting))
            if mine != self._streams or not self._waiting:
                return
            self._sent.append(message := self._next())
            self._changed.set()
            yield tasks_service_pb2.EnqueueStreamRequest(requests=message.requests)

    def close(self) -> None:
        """No stream sends any more."""
        self._streams += 1
        self._changed.set()

    def _may_send(self) -> bool:
        return bool(self._waiting) and len(self._sent) < UNDER_WAY

    def _next(self) -> Message:
        """What waits, as much of it as fits into one message."""
        message, size = self._waiting.popleft(), 0
        requests = list(message.requests)
        while not message.whole and self._waiting and not self._waiting[0].whole and len(requests) < LARGEST_BATCH:
            size += requests[-1].ByteSize()
            if size + self._waiting[0].requests[0].ByteSize() > LARGEST_BYTES:
                break
            requests.extend(self._waiting.popleft().requests)
        self._ahead -= len(requests)
        return Message(tuple(requests), message.whole)

    async def _until(self, true: Callable[[], bool]) -> None:
        while not true():
            self._changed.clear()
            await self._changed.wait()

    def answered(self, reply: Reply) -> list[Receipt]:
        """The receipts of the oldest message that was sent."""
        message = self._sent.popleft()
        self._changed.set()
        return [convert.receipt(each) for each, _ in zip(reply.responses, message.requests, strict=True)]

    def split(self) -> bool:
        """The oldest message was refused: whether its tasks can be sent one by one, to find out who is to blame."""
        if not self._sent or self._sent[0].whole or len(self._sent[0].requests) == 1:
            return False
        refused = self._sent.popleft()
        self._sent.extendleft(Message((each,), False) for each in reversed(refused.requests))
        return True
