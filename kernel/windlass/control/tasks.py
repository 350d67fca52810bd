"""The Tasks service: a request becomes a call, a fact or an error becomes a reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from windlass_proto.v1 import event_pb2, task_pb2, tasks_service_pb2, tasks_service_pb2_grpc

from windlass.control import convert, convert_workers, scope
from windlass.control.bulk import BulkRpcs
from windlass.control.enqueuing import Enqueuing
from windlass.control.guard import caller
from windlass.control.notes import note
from windlass.control.queue import QueueLists
from windlass.control.status import answers, streams
from windlass.core.sequence import ENDED, sequence
from windlass.errors import InvalidArgument, TaskNotFound
from windlass.host.kernel import Kernel
from windlass.store.facts import Asked


class TasksServicer(Enqueuing, BulkRpcs, QueueLists, tasks_service_pb2_grpc.TasksServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    @answers
    async def Get(self, request: tasks_service_pb2.GetTaskRequest, context: Any) -> task_pb2.Task:
        facts = await self._found(convert.read_id(request.name, "tasks"))
        message = convert.task(facts)
        if (host := await self._kernel.roster.host(facts)) is not None:
            message.host.CopyFrom(convert_workers.host(host))
        return message

    @answers
    async def Interrupt(self, request: tasks_service_pb2.InterruptRequest, context: Any) -> task_pb2.Task:
        task = convert.read_id(request.name, "tasks")
        asked, noted = Asked(task, caller.get().name, request.reason), note(request, request.name, request.reason)
        await scope.check_task(self._kernel.library, task)
        await self._kernel.interrupt(asked, noted)
        return await self._task(task)

    @answers
    async def Retry(
        self, request: tasks_service_pb2.RetryTaskRequest, context: Any
    ) -> tasks_service_pb2.EnqueueResponse:
        task = convert.read_id(request.name, "tasks")
        noted = note(request, request.name, request.reason)
        await scope.check_task(self._kernel.library, task)
        return convert.receipt(await self._kernel.retry(task, caller.get(), request.request_id, noted))

    @answers
    async def Reprioritize(self, request: tasks_service_pb2.ReprioritizeRequest, context: Any) -> task_pb2.Task:
        task = convert.read_id(request.name, "tasks")
        noted = note(request, request.name, request.reason)
        await scope.check_task(self._kernel.library, task)
        await self._kernel.reprioritize(task, request.priority, noted)
        return await self._task(task)

    @answers
    async def Explain(
        self, request: tasks_service_pb2.ExplainRequest, context: Any
    ) -> tasks_service_pb2.ExplainResponse:
        gates = await self._kernel.explain(convert.read_id(request.name, "tasks"), scope.pools())
        return tasks_service_pb2.ExplainResponse(gates=map(convert.gate, gates))

    @streams
    async def Watch(self, request: tasks_service_pb2.WatchRequest, context: Any) -> AsyncIterator[event_pb2.Event]:
        task = convert.read_id(request.name, "tasks")
        if request.after_sequence < 0:
            raise InvalidArgument("after_sequence must not be negative", field="after_sequence")
        facts = await self._found(task)
        if request.after_sequence >= sequence(facts.attempt, ENDED):
            if facts.state.final:
                return
            raise InvalidArgument("after_sequence is beyond every event of this task", field="after_sequence")
        # Closed here, not when the collector comes by: a reader that goes away frees what it held at once.
        async with aclosing(self._kernel.watches.follow(task, request.after_sequence)) as events:
            async for event in events:
                yield convert.event(event)

    async def _task(self, task: int) -> task_pb2.Task:
        return convert.task(await self._found(task))

    async def _found(self, task: int) -> Any:
        facts = await self._kernel.library.task(task, scope.pools())
        if facts is None:
            raise TaskNotFound(f"there is no task {task}", task=task)
        return facts
