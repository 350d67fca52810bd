"""`client.operations`: what plugins add to the server, typed by JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from windlass_proto.v1 import operations_service_pb2, operations_service_pb2_grpc

from windlass_client import convert
from windlass_client.connection import Connection
from windlass_client.errors import InvalidArgument
from windlass_client.reading import Name, read


@dataclass(frozen=True, slots=True)
class Operation:
    """`name` is `plugin.name`.  One that `writes` changes something and is written into the audit log.

    The schemas are JSON Schemas; `result_schema` is None when nothing is said about the result.
    """

    name: Name
    title: str
    description: str
    writes: bool
    role: str
    argument_schema: Any
    result_schema: Any


class Operations:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._stub = operations_service_pb2_grpc.OperationsStub(connection.channel)

    async def list(self) -> Sequence[Operation]:
        """By name."""
        reply = await self._connection.call(self._stub.List, operations_service_pb2.ListOperationsRequest())
        return tuple(read(Operation, each) for each in reply.operations)

    async def call(self, name: str, argument: Any = None, *, reason: str = "") -> Any:
        """Runs one, and returns its result; None for one that takes no argument.

        It is sent once: an operation that writes can't be told apart from its repetition.  Unavailable means that it
        may or may not have run.
        """
        try:
            payload = None if argument is None else convert.json_payload(argument)
        except (TypeError, ValueError) as error:
            raise InvalidArgument(f"this argument cannot be sent: {error}", reason="PAYLOAD_INVALID") from error
        request = operations_service_pb2.CallOperationRequest(
            name=f"operations/{name}", argument=payload, reason=reason
        )
        reply = await self._connection.call(self._stub.Call, request, once=True)
        return convert.json_in(reply, "result")
