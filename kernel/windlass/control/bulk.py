"""The Tasks service, where one call concerns every task that a filter matches."""

from __future__ import annotations

from typing import Any

from windlass_proto.v1 import tasks_service_pb2, tasks_service_pb2_grpc

from windlass.control import convert
from windlass.control.guard import caller
from windlass.control.notes import note
from windlass.control.status import answers
from windlass.host.bulk_kinds import USUAL_RATE, BulkHandler, BulkInterrupt, BulkReprioritize, BulkRetry, Order
from windlass.host.kernel import Kernel

CONCERNED = "tasks"
"""What the audit log names: the tasks that the filter, which stands in the request, matches."""


class BulkRpcs(tasks_service_pb2_grpc.TasksServicer):
    _kernel: Kernel

    @answers
    async def BulkInterrupt(
        self, request: tasks_service_pb2.BulkInterruptRequest, context: Any
    ) -> tasks_service_pb2.BulkResponse:
        return await self._ask(BulkInterrupt, request)

    @answers
    async def BulkRetry(
        self, request: tasks_service_pb2.BulkRetryRequest, context: Any
    ) -> tasks_service_pb2.BulkResponse:
        return await self._ask(BulkRetry, request)

    @answers
    async def BulkReprioritize(
        self, request: tasks_service_pb2.BulkReprioritizeRequest, context: Any
    ) -> tasks_service_pb2.BulkResponse:
        return await self._ask(BulkReprioritize, request, request.priority)

    async def _ask(
        self, kind: type[BulkHandler], request: Any, priority: int | None = None
    ) -> tasks_service_pb2.BulkResponse:
        who, noted = caller.get(), note(request, CONCERNED, request.reason)
        order = Order(
            filter=request.filter,
            reason=request.reason,
            by=who.name,
            origin=who.origin,
            rate=request.rate or USUAL_RATE,
            pools=tuple(sorted(who.pools)),
            priority=priority,
            role=who.role,
            credential=who.credential,
        )
        preview = await self._kernel.bulk.look(kind, order)
        answer = tasks_service_pb2.BulkResponse(
            matching=preview.matching, is_more=preview.is_more, samples=map(convert.task, preview.samples)
        )
        if not request.validate_only:
            receipt = await self._kernel.bulk.ask(kind, order, who, request.request_id, noted)
            answer.task = f"tasks/{receipt.task}"
        return answer
