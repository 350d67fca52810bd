"""Services that answer with what a test laid ready: all those that the fake server does not play itself."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf import message_factory
from windlass_proto.v1 import (
    access_service_pb2,
    cluster_service_pb2,
    operations_service_pb2,
    overview_service_pb2,
    schedules_service_pb2,
)

SERVICES = {
    "Access": access_service_pb2,
    "Cluster": cluster_service_pb2,
    "Operations": operations_service_pb2,
    "Overview": overview_service_pb2,
    "Schedules": schedules_service_pb2,
}


def handlers(world: Any) -> list[grpc.GenericRpcHandler]:
    """Every RPC of these services: it notes the call, takes a fault if one is due, and answers `world.answers`."""
    return [_service(world, name, module.DESCRIPTOR.services_by_name[name]) for name, module in SERVICES.items()]


def _service(world: Any, name: str, service: Any) -> grpc.GenericRpcHandler:
    methods = {}
    for method in service.methods:
        takes, gives = map(message_factory.GetMessageClass, (method.input_type, method.output_type))
        called = f"{name}.{method.name}"
        make = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        behaviour = streamed(world, called) if method.server_streaming else answered(world, called, gives)
        methods[method.name] = make(behaviour, takes.FromString, gives.SerializeToString)
    return grpc.method_handlers_generic_handler(service.full_name, methods)


def answered(world: Any, called: str, gives: Callable[[], Any]) -> Any:
    """A unary RPC: the next answer laid ready for it, else an empty one."""

    async def answer(request: Any, context: Any) -> Any:
        await world.enter(called, request, context)
        ready: deque[Any] = world.answers[called]
        return ready.popleft() if ready else gives()

    return answer


def streamed(world: Any, called: str) -> Any:
    """A stream: the messages of the next list laid ready for it; where a fault stands among them it breaks so."""

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        await world.enter(called, request, context)
        for each in world.answers[called].popleft() if world.answers[called] else ():
            if callable(each):
                await each(context)
            else:
                yield each

    return stream
