"""Brings a call into its caller's trace: W3C trace context in the metadata of whatever makes tasks."""

from __future__ import annotations

from typing import Any

import grpc

from windlass import telemetry
from windlass.telemetry.traceparent import kept

RpcHandler = Any
"""grpc.RpcMethodHandler, whose type arguments say nothing here."""
MAKERS = frozenset(
    f"/windlass.v1.{name}" for name in ("Tasks/Enqueue", "Tasks/BatchEnqueue", "Tasks/Retry", "Schedules/Run")
)
"""The calls that make tasks and get a span of their own.

A stream gets none: it may last for days, and its tasks belong to the trace that it was opened in.
"""


def traced(handler: RpcHandler, method: str, metadata: Any) -> RpcHandler:
    """The handler of a call that brought this metadata: in its caller's trace, and in a span where it makes tasks.

    Not an interceptor of its own: each of those costs a call some 30 µs.
    """
    brought = _brought(metadata)
    if brought is not None:
        telemetry.carried.set(brought)
    if telemetry.spans is None or method not in MAKERS or handler.unary_unary is None:
        return handler
    return _in_a_span(handler, method, brought)


def _brought(metadata: Any) -> str | None:
    headers = {key: str(value) for key, value in metadata or () if key in ("traceparent", "tracestate")}
    return kept(headers["traceparent"], headers.get("tracestate", "")) if "traceparent" in headers else None


def _in_a_span(handler: RpcHandler, method: str, brought: str | None) -> RpcHandler:
    async def traced(request: Any, context: Any) -> Any:
        spans = telemetry.spans
        if spans is None:  # a shutdown
            return await handler.unary_unary(request, context)
        with spans.enqueuing("enqueue", brought, rpc=method.removeprefix("/")):
            return await handler.unary_unary(request, context)

    return grpc.unary_unary_rpc_method_handler(traced, handler.request_deserializer, handler.response_serializer)
