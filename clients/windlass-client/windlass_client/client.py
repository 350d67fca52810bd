"""The client: put work in, follow it, stop it, look at what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, Unpack
from uuid import uuid4

from windlass_proto.v1 import history_service_pb2, history_service_pb2_grpc, tasks_service_pb2, tasks_service_pb2_grpc

from windlass_client import convert
from windlass_client.access import Access
from windlass_client.cluster import Cluster
from windlass_client.connection import Connection
from windlass_client.discovery import find_server
from windlass_client.errors import DeadlineExceeded, TaskCanceled, TaskFailed, WindlassError
from windlass_client.events import Event, OutputWritten, QueueChange, StateChanged, Stream
from windlass_client.operations import Operations
from windlass_client.overview import Overview
from windlass_client.paging import Page, all_items
from windlass_client.reading import read
from windlass_client.resources import (
    BulkReceipt,
    Card,
    Gate,
    NewTask,
    Origin,
    Receipt,
    State,
    Step,
    Task,
    TaskOptions,
)
from windlass_client.schedules import Schedules
from windlass_client.streaming import enqueue_stream
from windlass_client.tls import Tls
from windlass_client.watching import watch, watch_queue


class Client:
    """One connection to one server, for any number of calls at once.  Belongs to the event loop it was made in.

    Tasks and history are below; `schedules`, `cluster`, `operations`, `overview` and `access` hold the other services.
    Every call may take `timeout` seconds and raises a WindlassError of the fitting class; UNAVAILABLE alone is tried
    again, within that time.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._tasks = tasks_service_pb2_grpc.TasksStub(connection.channel)
        self._history = history_service_pb2_grpc.HistoryStub(connection.channel)
        self.schedules = Schedules(connection)
        self.cluster = Cluster(connection)
        self.operations = Operations(connection)
        self.overview = Overview(connection)
        self.access = Access(connection)

    @classmethod
    def connect(
        cls,
        address: str | None = None,
        token: str | None = None,
        *,
        tls: Tls | bool | None = None,
        profile: str | None = None,
        timeout: float = 30.0,
    ) -> Self:
        """Finds the server and its token by itself (discovery.py says where); connects with the first call.

        timeout: seconds that one call may take.  tls: True, or the certificates to use.  profile: of profiles.toml.
        Unavailable when no server is to be found, Unauthenticated when its token may not be read.
        """
        return cls(Connection(find_server(address, token, tls=tls, profile=profile), timeout=timeout))

    def with_token(self, token: str) -> Self:
        """Another client of the same server, reached in the same way, for who has this token."""
        server = replace(self._connection.server, token=token)
        return type(self)(Connection(server, timeout=self._connection.timeout))

    @property
    def address(self) -> str:
        """Of the server this client calls."""
        return self._connection.server.address

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._connection.close()

    async def ready(self, timeout: float = 5.0) -> None:
        """Returns once the server says that it serves; Unavailable when it has not within `timeout` seconds."""
        await self._connection.ready(timeout)

    async def enqueue(self, kind: str, payload: Any = None, **options: Unpack[TaskOptions]) -> Handle:
        """Stores a task; once this returns it is not lost.  NewTask explains the options.

        A request id is made when none is given, so that the tries of this call make one task.
        """
        request = _request(NewTask(kind, payload, **options))
        reply = await self._connection.call(self._tasks.Enqueue, request)
        return Handle(self, convert.receipt(reply))

    async def enqueue_batch(self, tasks: Sequence[NewTask]) -> list[Handle]:
        """Stores up to 1000 tasks, all of them or, on an error, none; the handles come in the order of the tasks."""
        batch = tasks_service_pb2.BatchEnqueueRequest(requests=[_request(task) for task in tasks])
        reply = await self._connection.call(self._tasks.BatchEnqueue, batch)
        return [Handle(self, convert.receipt(each)) for each in reply.responses]

    async def enqueue_stream(
        self,
        tasks: AsyncIterable[NewTask | Sequence[NewTask]],
        *,
        on_outage: Callable[[WindlassError], None] | None = None,
    ) -> AsyncGenerator[Handle, None]:
        """Stores what keeps coming, and yields a handle for each task, in their order.

        Single tasks are sent in batches as they come; a list of them is stored as a whole or not at all.  A broken link
        is mended by itself, without a loss or a repeat.  When a task is refused, its error comes behind the handles of
        those before it, and nothing behind it was stored.
        """
        receipts = enqueue_stream(self._connection, self._tasks.EnqueueStream, tasks, on_outage)
        async with aclosing(receipts):
            async for receipt in receipts:
                yield Handle(self, receipt)

    async def get_task(self, id: int) -> Task:
        request = tasks_service_pb2.GetTaskRequest(name=f"tasks/{id}")
        return convert.task(await self._connection.call(self._tasks.Get, request))

    def list_tasks(self, *, filter: str = "", order_by: str = "", page_size: int = 0) -> AsyncGenerator[Task, None]:
        """What is in the queue: running tasks first, then waiting ones in the order they will be claimed.

        `filter` is in the grammar of docs/filters.md, `order_by` names fields, each with an optional ` desc`.
        """
        return all_items(
            lambda token: self.task_page(filter=filter, order_by=order_by, page_size=page_size, page_token=token)
        )

    async def task_page(
        self, *, filter: str = "", order_by: str = "", page_size: int = 0, page_token: str = ""
    ) -> Page[Task]:
        """One page; a token belongs to its filter and order."""
        request = tasks_service_pb2.ListTasksRequest(
            filter=filter, order_by=order_by, page_size=page_size, page_token=page_token
        )
        reply = await self._connection.call(self._tasks.List, request)
        return Page(tuple(convert.task(each) for each in reply.tasks), reply.next_page_token)

    def watch_queue(
        self,
        *,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        on_outage: Callable[[WindlassError], None] | None = None,
    ) -> AsyncGenerator[QueueChange, None]:
        """The first page of `list_tasks`: all of it, then how it changes.  It never ends by itself.

        A broken link is mended by itself, and what changed meanwhile is told then; `on_outage` is told when one broke.
        """
        request = tasks_service_pb2.WatchQueueRequest(filter=filter, order_by=order_by, page_size=page_size)
        return watch_queue(self._connection, self._tasks.WatchQueue, request, on_outage)

    async def bulk_interrupt(
        self, filter: str, *, reason: str, dry_run: bool = False, rate: int = 0, request_id: str | None = None
    ) -> BulkReceipt:
        """Interrupts every task in the queue that matches, by a task of its own; `rate` a second (0: 100).

        For all of them write `id > 0`.  `reason` is kept in the history of each; `dry_run` only says what it would do.
        """
        request = tasks_service_pb2.BulkInterruptRequest(
            filter=filter, reason=reason, validate_only=dry_run, rate=rate, request_id=request_id or str(uuid4())
        )
        return read(BulkReceipt, await self._connection.call(self._tasks.BulkInterrupt, request))

    async def bulk_retry(
        self, filter: str, *, reason: str, dry_run: bool = False, rate: int = 0, request_id: str | None = None
    ) -> BulkReceipt:
        """Asks again for every task that has ended and matches; otherwise as `bulk_interrupt`."""
        request = tasks_service_pb2.BulkRetryRequest(
            filter=filter, reason=reason, validate_only=dry_run, rate=rate, request_id=request_id or str(uuid4())
        )
        return read(BulkReceipt, await self._connection.call(self._tasks.BulkRetry, request))

    async def bulk_reprioritize(
        self,
        filter: str,
        priority: int,
        *,
        reason: str,
        dry_run: bool = False,
        rate: int = 0,
        request_id: str | None = None,
    ) -> BulkReceipt:
        """A new priority for every task in the queue that matches; otherwise as `bulk_interrupt`."""
        request = tasks_service_pb2.BulkReprioritizeRequest(
            filter=filter,
            priority=priority,
            reason=reason,
            validate_only=dry_run,
            rate=rate,
            request_id=request_id or str(uuid4()),
        )
        return read(BulkReceipt, await self._connection.call(self._tasks.BulkReprioritize, request))

    async def interrupt(self, id: int, reason: str = "") -> Task:
        """Ends a task: a waiting one at once, a running one soon.  FailedPrecondition when it has ended already."""
        request = tasks_service_pb2.InterruptRequest(name=f"tasks/{id}", reason=reason)
        return convert.task(await self._connection.call(self._tasks.Interrupt, request))

    async def retry(self, id: int, reason: str = "", *, request_id: str | None = None) -> Handle:
        """Asks again for what a task that is over was asked: a new task.  FailedPrecondition while it is not over."""
        request = tasks_service_pb2.RetryTaskRequest(
            name=f"tasks/{id}", request_id=request_id or str(uuid4()), reason=reason
        )
        return Handle(self, convert.receipt(await self._connection.call(self._tasks.Retry, request)))

    async def reprioritize(self, id: int, priority: int, reason: str = "") -> Task:
        """A new priority for a task in the queue; FailedPrecondition when it is over."""
        request = tasks_service_pb2.ReprioritizeRequest(name=f"tasks/{id}", priority=priority, reason=reason)
        return convert.task(await self._connection.call(self._tasks.Reprioritize, request))

    async def explain(self, id: int) -> list[Gate]:
        """What holds a waiting task back, the nearest first; empty when it runs, is over, or is about to start."""
        request = tasks_service_pb2.ExplainRequest(name=f"tasks/{id}")
        reply = await self._connection.call(self._tasks.Explain, request)
        return [convert.gate(each) for each in reply.gates]

    def watch(
        self, id: int, after_sequence: int = 0, *, on_outage: Callable[[WindlassError], None] | None = None
    ) -> AsyncGenerator[Event, None]:
        """What happened so far, then what happens, to the task's last event.

        A broken link is mended by itself, without a gap or a repeat; `on_outage` is told when one broke.
        """
        return watch(self._connection, self._tasks.Watch, f"tasks/{id}", after_sequence, on_outage)

    async def result(self, id: int, timeout: float | None = None) -> Any:
        """What the handler returned, once the task is over; `timeout` in seconds, None waits for ever.

        TaskFailed and TaskCanceled when it ended so, DeadlineExceeded (also a TimeoutError) when it did not in time.
        """
        try:
            async with asyncio.timeout(timeout):
                return _result(id, await self._end(id))
        except TimeoutError as error:
            if isinstance(error, DeadlineExceeded):
                raise
            raise DeadlineExceeded(f"task {id} was not over within {timeout:g} s") from None

    async def _end(self, id: int) -> StateChanged:
        async with aclosing(self.watch(id)) as events:
            async for event in events:
                if isinstance(event, StateChanged) and event.state.final:
                    return event
        raise WindlassError(f"the server ended the watch of task {id} before the task ended", reason="WATCH_ENDED")

    async def get_card(self, id: int) -> Card:
        """With its attempts.  NotFound for a task that was never claimed, and is not over."""
        request = history_service_pb2.GetCardRequest(name=f"cards/{id}")
        return convert.card(await self._connection.call(self._history.Get, request))

    def list_cards(
        self, *, origin: Origin | None = None, filter: str = "", order_by: str = "", page_size: int = 0
    ) -> AsyncGenerator[Card, None]:
        """The newest first, without their attempts; None means both origins.  The rest as in `list_tasks`."""
        return all_items(
            lambda token: self.card_page(
                origin=origin, filter=filter, order_by=order_by, page_size=page_size, page_token=token
            )
        )

    async def card_page(
        self,
        *,
        origin: Origin | None = None,
        filter: str = "",
        order_by: str = "",
        page_size: int = 0,
        page_token: str = "",
    ) -> Page[Card]:
        request = history_service_pb2.ListCardsRequest(
            page_size=page_size,
            page_token=page_token,
            origin=convert.origin_number(origin),
            filter=filter,
            order_by=order_by,
        )
        reply = await self._connection.call(self._history.List, request)
        return Page(tuple(convert.card(each) for each in reply.cards), reply.next_page_token)

    def list_steps(self, id: int, *, page_size: int = 0) -> AsyncGenerator[Step, None]:
        """The timeline of a card, the oldest line first."""
        return all_items(lambda token: self.step_page(id, page_size=page_size, page_token=token))

    async def step_page(self, id: int, *, page_size: int = 0, page_token: str = "") -> Page[Step]:
        request = history_service_pb2.ListStepsRequest(parent=f"cards/{id}", page_size=page_size, page_token=page_token)
        reply = await self._connection.call(self._history.ListSteps, request)
        return Page(tuple(convert.step(each) for each in reply.steps), reply.next_page_token)

    def read_output(
        self, id: int, *, attempt: int = 0, stream: Stream | None = None, page_size: int = 0
    ) -> AsyncGenerator[OutputWritten, None]:
        """What a task's attempts wrote, the oldest first, in chunks of at most 64 KiB; attempt 0 means all of them."""
        return all_items(
            lambda token: self.output_page(id, attempt=attempt, stream=stream, page_size=page_size, page_token=token)
        )

    async def output_page(
        self, id: int, *, attempt: int = 0, stream: Stream | None = None, page_size: int = 0, page_token: str = ""
    ) -> Page[OutputWritten]:
        request = history_service_pb2.ReadOutputRequest(
            parent=f"cards/{id}",
            page_size=page_size,
            page_token=page_token,
            attempt=attempt,
            stream=convert.stream_number(stream),
        )
        reply = await self._connection.call(self._history.ReadOutput, request)
        return Page(tuple(convert.output(each) for each in reply.chunks), reply.next_page_token)


class Handle:
    """One task, as whoever enqueued it holds it."""

    def __init__(self, client: Client, receipt: Receipt) -> None:
        self.client = client
        self.receipt = receipt

    @property
    def id(self) -> int:
        return self.receipt.id

    def watch(self, after_sequence: int = 0) -> AsyncGenerator[Event, None]:
        """As Client.watch."""
        return self.client.watch(self.id, after_sequence)

    async def result(self, timeout: float | None = None) -> Any:
        """As Client.result."""
        return await self.client.result(self.id, timeout)

    async def task(self) -> Task:
        """As Client.get_task."""
        return await self.client.get_task(self.id)

    async def interrupt(self, reason: str = "") -> Task:
        """As Client.interrupt."""
        return await self.client.interrupt(self.id, reason)

    async def explain(self) -> list[Gate]:
        """As Client.explain."""
        return await self.client.explain(self.id)


def _request(task: NewTask) -> tasks_service_pb2.EnqueueRequest:
    return convert.enqueue_request(task, task.request_id or str(uuid4()))


def _result(id: int, end: StateChanged) -> Any:
    if end.state is State.COMPLETED:
        return end.result
    if end.state is State.CANCELED:
        words = end.message or f"task {id} was interrupted"
        raise TaskCanceled(words, id=id, result=end.result, reason="TASK_CANCELED")
    raise TaskFailed(end.message or f"task {id} failed", id=id, result=end.result, reason="TASK_FAILED")
