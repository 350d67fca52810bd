"""The Operations service: what plugins add to the control plane."""

from __future__ import annotations

from typing import Any

from windlass_proto.v1 import operations_service_pb2, operations_service_pb2_grpc

from windlass.control.guard import caller
from windlass.control.notes import note
from windlass.control.status import answers
from windlass.control.values import payload, read_name, read_payload
from windlass.host.kernel import Kernel
from windlass.host.registered_operations import Registered


class OperationsServicer(operations_service_pb2_grpc.OperationsServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._operations = kernel.operations

    @answers
    async def List(
        self, request: operations_service_pb2.ListOperationsRequest, context: Any
    ) -> operations_service_pb2.ListOperationsResponse:
        return operations_service_pb2.ListOperationsResponse(operations=map(_operation, self._operations.all()))

    @answers
    async def Call(
        self, request: operations_service_pb2.CallOperationRequest, context: Any
    ) -> operations_service_pb2.CallOperationResponse:
        name, argument = read_name(request.name, "operations"), read_payload(request.argument, "argument")
        noted = note(request, request.name, request.reason)
        result = await self._operations.call(name, argument, caller.get(), noted)
        return operations_service_pb2.CallOperationResponse(result=payload(result))


def _operation(found: Registered) -> operations_service_pb2.Operation:
    return operations_service_pb2.Operation(
        name=f"operations/{found.name}",
        title=found.operation.title,
        description=found.operation.description,
        writes=found.operation.writes,
        role=found.operation.role.name.lower(),
        argument_schema=payload(found.argument_schema),
        result_schema=payload(found.result_schema),
    )
