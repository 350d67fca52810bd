"""The Tasks service, where work comes in: one by one, in batches, and as it keeps coming."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import msgspec
from windlass_proto.v1 import tasks_service_pb2, tasks_service_pb2_grpc

from windlass.control import convert, scope
from windlass.control.guard import caller
from windlass.control.notes import note
from windlass.control.status import answers, streams
from windlass.errors import InvalidArgument, RoleTooLow, WindlassError
from windlass.host.kernel import Kernel
from windlass.store.facts import NewTask

LARGEST_BATCH = 1_000
Requests = Sequence[tasks_service_pb2.EnqueueRequest]


class Enqueuing(tasks_service_pb2_grpc.TasksServicer):
    _kernel: Kernel

    @answers
    async def Enqueue(
        self, request: tasks_service_pb2.EnqueueRequest, context: Any
    ) -> tasks_service_pb2.EnqueueResponse:
        task = self._admit(request, datetime.now(UTC))
        await scope.check_tasks(self._kernel.library, task.after)
        if request.validate_only:
            return tasks_service_pb2.EnqueueResponse()
        return convert.receipt(await self._kernel.enqueuer.enqueue(task))

    @answers
    async def BatchEnqueue(
        self, request: tasks_service_pb2.BatchEnqueueRequest, context: Any
    ) -> tasks_service_pb2.BatchEnqueueResponse:
        tasks = await self._admit_all(request.requests)
        receipts = await self._kernel.enqueuer.enqueue_batch(tasks) if tasks else []
        return tasks_service_pb2.BatchEnqueueResponse(responses=map(convert.receipt, receipts))

    @streams
    async def EnqueueStream(
        self, request_iterator: AsyncIterator[tasks_service_pb2.EnqueueStreamRequest], context: Any
    ) -> AsyncIterator[tasks_service_pb2.EnqueueStreamResponse]:
        answered = 0
        try:
            async with aclosing(self._kernel.intake.receipts(self._batches(request_iterator))) as answers:
                async for receipts in answers:
                    yield tasks_service_pb2.EnqueueStreamResponse(responses=map(convert.receipt, receipts))
                    answered += 1
        except WindlassError as error:
            # They are answered in order, so it is the first that was not.
            error.facts["message"] = str(answered)
            error.message = f"message {answered}: {error.message}"
            if isinstance(error, InvalidArgument):
                error.field = f"message[{answered}].{error.field}"
            raise

    async def _batches(
        self, messages: AsyncIterator[tasks_service_pb2.EnqueueStreamRequest]
    ) -> AsyncIterator[list[NewTask]]:
        async for message in messages:
            if not message.requests:
                raise InvalidArgument("there is no request in it", field="requests")
            yield await self._admit_all(message.requests)

    async def _admit_all(self, requests: Requests) -> list[NewTask]:
        if len(requests) > LARGEST_BATCH:
            raise InvalidArgument(f"{len(requests)} requests; at most {LARGEST_BATCH} are taken", field="requests")
        if any(one.validate_only for one in requests):
            raise InvalidArgument("validate_only is for single calls: check the tasks one by one", field="requests")
        now, tasks = datetime.now(UTC), list[NewTask]()
        try:
            for one in requests:
                tasks.append(self._admit(one, now))
        except (InvalidArgument, RoleTooLow) as error:
            if isinstance(error, InvalidArgument):
                error.field = f"requests[{len(tasks)}].{error.field}"
            error.message = f"request {len(tasks)}: {error.message}"
            raise
        await scope.check_tasks(self._kernel.library, {after for task in tasks for after in task.after})
        return tasks

    def _admit(self, request: tasks_service_pb2.EnqueueRequest, now: datetime) -> NewTask:
        admission = self._kernel.admission
        task = admission.admit(convert.read_request(request, now), caller.get())
        if not admission.is_privileged(task.kind):
            return task
        # Its number is not known yet.
        return msgspec.structs.replace(task, note=note(request, f"kinds/{task.kind}"))
