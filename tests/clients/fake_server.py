# ruff: noqa: N802 - methods are named for the RPCs they answer
"""A server of the protocol without a kernel behind it: it says what a test tells it to, and remembers the calls.

For how clients behave when a server refuses, hangs, breaks off or comes back; what a kernel does is tested with one.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import grpc.aio
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from windlass_proto.v1 import (
    event_pb2,
    history_service_pb2,
    history_service_pb2_grpc,
    task_pb2,
    tasks_service_pb2,
    tasks_service_pb2_grpc,
)

from tests.clients.answering import answered, handlers, streamed

Fault = Callable[[Any], Awaitable[None]]
START = datetime(2021, 11, 22, 10, 0, tzinfo=UTC)
FINAL = (task_pb2.Task.STATE_COMPLETED, task_pb2.Task.STATE_FAILED, task_pb2.Task.STATE_CANCELED)


def refuses(
    code: grpc.StatusCode, words: str = "no", *, reason: str = "", details: Sequence[Message] = (), **metadata: str
) -> Fault:
    """The next call ends with this status, with these details, and with an ErrorInfo when there is a reason."""

    async def fault(context: Any) -> None:
        status = status_pb2.Status(code=code.value[0], message=words)
        info = error_details_pb2.ErrorInfo(reason=reason, domain="windlass", metadata=metadata)
        for detail in [*([info] if reason else []), *details]:
            status.details.add().Pack(detail)
        await context.abort(code, words, (("grpc-status-details-bin", status.SerializeToString()),))

    return fault


async def hangs(_: Any) -> None:
    """The next call is never answered."""
    await asyncio.Event().wait()


@dataclass
class Call:
    method: str
    request: Any
    metadata: dict[str, str]


@dataclass
class World:
    """What the server knows.  `faults` are taken one a call, in order; `answers` lie ready for one method each."""

    tasks: dict[int, task_pb2.Task] = field(default_factory=dict)
    cards: dict[int, history_service_pb2.Card] = field(default_factory=dict)
    steps: dict[int, list[history_service_pb2.Step]] = field(default_factory=lambda: defaultdict(list))
    events: dict[int, list[event_pb2.Event]] = field(default_factory=lambda: defaultdict(list))
    faults: deque[Fault] = field(default_factory=deque)
    answers: dict[str, deque[Any]] = field(default_factory=lambda: defaultdict(deque))
    calls: list[Call] = field(default_factory=list)
    request_ids: dict[str, int] = field(default_factory=dict)
    watchers: int = 0
    break_behind: int | None = None
    on_interrupt: Callable[[int], None] = lambda _: None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def enter(self, method: str, request: Any, context: Any) -> None:
        self.calls.append(Call(method, request, dict(context.invocation_metadata())))
        await self.notify()
        if self.faults:
            await self.faults.popleft()(context)

    async def notify(self) -> None:
        async with self.changed:
            self.changed.notify_all()

    async def until(self, true: Callable[[], bool]) -> None:
        async with self.changed, asyncio.timeout(20):
            await self.changed.wait_for(true)

    async def say(self, id: int, sequence: int, **body: Any) -> None:
        """One event of a task, at START plus as many milliseconds as its number in the attempt."""
        event = event_pb2.Event(sequence=sequence, attempt=sequence // 10_000_000, **body)
        event.time.FromDatetime(START)
        event.time.FromMilliseconds(event.time.ToMilliseconds() + sequence % 10_000_000 % 1000)
        self.events[id].append(event)
        await self.notify()

    async def end(self, id: int, state: task_pb2.Task.State.ValueType, message: str = "", result: bytes = b"") -> None:
        """The last event of a task's first attempt, and what Get says from then on."""
        change = event_pb2.StateChange(state=state, message=message)
        if result:
            change.result.data = result
        self.tasks[id].state = state
        await self.say(id, 19_999_999, state=change)

    def asked(self, method: str) -> list[Any]:
        return [call.request for call in self.calls if call.method == method]


class FakeTasks(tasks_service_pb2_grpc.TasksServicer):
    def __init__(self, world: World) -> None:
        self.world = world
        self.WatchQueue = streamed(world, "WatchQueue")  # type: ignore[method-assign]
        for name in ("BulkInterrupt", "BulkRetry", "BulkReprioritize"):
            setattr(self, name, answered(world, name, tasks_service_pb2.BulkResponse))

    async def Enqueue(self, request: Any, context: Any) -> tasks_service_pb2.EnqueueResponse:
        id, receipt = self._store(request)
        await self.world.enter("Enqueue", request, context)
        return tasks_service_pb2.EnqueueResponse(task=f"tasks/{id}", receipt=receipt)

    async def BatchEnqueue(self, request: Any, context: Any) -> tasks_service_pb2.BatchEnqueueResponse:
        await self.world.enter("BatchEnqueue", request, context)
        stored = [self._store(each) for each in request.requests]
        responses = [tasks_service_pb2.EnqueueResponse(task=f"tasks/{id}", receipt=how) for id, how in stored]
        return tasks_service_pb2.BatchEnqueueResponse(responses=responses)

    async def Retry(self, request: Any, context: Any) -> tasks_service_pb2.EnqueueResponse:
        await self.world.enter("Retry", request, context)
        return tasks_service_pb2.EnqueueResponse(
            task="tasks/99", receipt=tasks_service_pb2.EnqueueResponse.RECEIPT_CREATED
        )

    async def Reprioritize(self, request: Any, context: Any) -> task_pb2.Task:
        await self.world.enter("Reprioritize", request, context)
        return task_pb2.Task(name=request.name, priority=request.priority)

    async def Explain(self, request: Any, context: Any) -> tasks_service_pb2.ExplainResponse:
        await self.world.enter("Explain", request, context)
        gate = tasks_service_pb2.Gate(
            kind=tasks_service_pb2.Gate.KIND_POOL_FULL, why="it is full", clears="room", tasks=["tasks/7"]
        )
        return tasks_service_pb2.ExplainResponse(gates=[gate])

    def _store(self, request: Any) -> tuple[int, Any]:
        if known := self.world.request_ids.get(request.request_id):
            return known, tasks_service_pb2.EnqueueResponse.RECEIPT_REPEATED
        id = len(self.world.tasks) + 1
        self.world.request_ids[request.request_id] = id
        self.world.tasks[id] = a_task(
            id, kind=request.task.kind, title=request.task.title, payload=request.task.payload
        )
        return id, tasks_service_pb2.EnqueueResponse.RECEIPT_CREATED

    async def Get(self, request: Any, context: Any) -> Any:
        await self.world.enter("Tasks.Get", request, context)
        return await _found(self.world.tasks, request.name, context)

    async def List(self, request: Any, context: Any) -> tasks_service_pb2.ListTasksResponse:
        await self.world.enter("Tasks.List", request, context)
        tasks, token = _page(list(self.world.tasks.values()), request)
        return tasks_service_pb2.ListTasksResponse(tasks=tasks, next_page_token=token)

    async def Interrupt(self, request: Any, context: Any) -> Any:
        await self.world.enter("Interrupt", request, context)
        task = await _found(self.world.tasks, request.name, context)
        if task.state in FINAL:
            await refuses(grpc.StatusCode.FAILED_PRECONDITION, "it has ended", reason="TASK_OVER")(context)
        task.state = task_pb2.Task.STATE_CANCELLING
        await self.world.end(int(request.name.split("/")[1]), task_pb2.Task.STATE_CANCELED, request.reason)
        return task

    async def Watch(self, request: Any, context: Any) -> AsyncIterator[event_pb2.Event]:
        await self.world.enter("Watch", request, context)
        await _found(self.world.tasks, request.name, context)
        self.world.watchers += 1
        try:
            async for event in self._follow(int(request.name.split("/")[1]), request.after_sequence, context):
                yield event
        finally:
            self.world.watchers -= 1
            await self.world.notify()

    async def _follow(self, id: int, after: int, context: Any) -> AsyncIterator[event_pb2.Event]:
        told = 0
        while True:
            for event in self.world.events[id][told:]:
                told += 1
                if event.sequence > after:
                    yield event
                if event.sequence == self.world.break_behind:
                    self.world.break_behind = None
                    await refuses(grpc.StatusCode.UNAVAILABLE, "the stream broke")(context)
                if event.HasField("state") and event.state.state in FINAL:
                    return
            async with self.world.changed:
                await self.world.changed.wait_for(partial(self._more_than, id, told))

    def _more_than(self, id: int, told: int) -> bool:
        return len(self.world.events[id]) > told

    async def EnqueueStream(self, requests: AsyncIterator[Any], context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            if any(each.task.kind == "Refused" for each in request.requests):
                await refuses(grpc.StatusCode.INVALID_ARGUMENT, "no such kind", reason="KIND_UNKNOWN")(context)
            stored = [self._store(each) for each in request.requests]
            await self.world.enter("EnqueueStream", request, context)
            responses = [tasks_service_pb2.EnqueueResponse(task=f"tasks/{id}", receipt=how) for id, how in stored]
            yield tasks_service_pb2.EnqueueStreamResponse(responses=responses)

    WatchQueue = BulkInterrupt = BulkRetry = BulkReprioritize = EnqueueStream  # type: ignore[assignment]


class FakeHistory(history_service_pb2_grpc.HistoryServicer):
    def __init__(self, world: World) -> None:
        self.world = world

    async def Get(self, request: Any, context: Any) -> Any:
        await self.world.enter("History.Get", request, context)
        return await _found(self.world.cards, request.name, context)

    async def List(self, request: Any, context: Any) -> history_service_pb2.ListCardsResponse:
        await self.world.enter("History.List", request, context)
        wanted = [card for card in self.world.cards.values() if request.origin in (0, card.task.origin)]
        cards, token = _page(wanted, request)
        return history_service_pb2.ListCardsResponse(cards=cards, next_page_token=token)

    async def ListSteps(self, request: Any, context: Any) -> history_service_pb2.ListStepsResponse:
        await self.world.enter("ListSteps", request, context)
        steps, token = _page(self.world.steps[int(request.parent.split("/")[1])], request)
        return history_service_pb2.ListStepsResponse(steps=steps, next_page_token=token)

    async def ReadOutput(self, request: Any, context: Any) -> history_service_pb2.ReadOutputResponse:
        if self.world.answers["ReadOutput"]:
            ready: history_service_pb2.ReadOutputResponse = await answered(
                self.world, "ReadOutput", history_service_pb2.ReadOutputResponse
            )(request, context)
            return ready
        await self.world.enter("ReadOutput", request, context)
        written = [
            history_service_pb2.OutputChunk(
                sequence=event.sequence, attempt=event.attempt, time=event.time, output=event.output
            )
            for event in self.world.events[int(request.parent.split("/")[1])]
            if event.HasField("output")
            and request.attempt in (0, event.attempt)
            and request.stream in (0, event.output.stream)
        ]
        chunks, token = _page(written, request)
        return history_service_pb2.ReadOutputResponse(chunks=chunks, next_page_token=token)


async def _found(things: dict[int, Any], name: str, context: Any) -> Any:
    thing = things.get(int(name.split("/")[1]))
    if thing is None:
        await refuses(grpc.StatusCode.NOT_FOUND, f"there is no {name}", reason="TASK_NOT_FOUND")(context)
    return thing


def _page(things: list[Any], request: Any) -> tuple[list[Any], str]:
    first, size = int(request.page_token or 0), request.page_size or 50
    return things[first : first + size], str(first + size) if first + size < len(things) else ""


def a_task(id: int, **fields: Any) -> task_pb2.Task:
    told: dict[str, Any] = {"kind": "Noop", "priority": 5, "pool": "default", "trigger": "api", "initiator": "ada"}
    origin = fields.pop("origin", task_pb2.ORIGIN_USER)
    state = fields.pop("state", task_pb2.Task.STATE_PENDING)
    task = task_pb2.Task(name=f"tasks/{id}", origin=origin, state=state, **told | fields)
    task.create_time.FromDatetime(START)
    return task


class FakeServer:
    """Listens on a loopback port, the same one each time it is started."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.port = 0
        self.serving = True
        self.credentials: grpc.ServerCredentials | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        tasks_service_pb2_grpc.add_TasksServicer_to_server(FakeTasks(self.world), self._server)
        history_service_pb2_grpc.add_HistoryServicer_to_server(FakeHistory(self.world), self._server)
        self._server.add_generic_rpc_handlers(handlers(self.world))
        check: Any = grpc.unary_unary_rpc_method_handler(self._health)
        self._server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": check})]
        )
        listen = f"127.0.0.1:{self.port}"
        self.port = (
            self._server.add_secure_port(listen, self.credentials)
            if self.credentials
            else self._server.add_insecure_port(listen)
        )
        await self._server.start()

    async def _health(self, request: bytes, context: Any) -> bytes:
        return b"\x08\x01" if self.serving else b"\x08\x02"

    async def stop(self) -> None:
        await self._server.stop(grace=0)
