"""Errors as gRPC says them: one table from reason to code, one place that builds the details."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from functools import wraps
from typing import Any, NoReturn, TypeVar, cast

import grpc
import structlog
from google.rpc import code_pb2, status_pb2

from windlass.control.details import packed, short
from windlass.errors import InvalidArgument, WindlassError

log = structlog.get_logger()

T = TypeVar("T")

CODES = {
    "SCHEDULE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "SCHEDULE_EXISTS": grpc.StatusCode.ALREADY_EXISTS,
    "SCHEDULE_CHANGED": grpc.StatusCode.ABORTED,
    "DOCUMENT_CHANGED": grpc.StatusCode.ABORTED,
    "TASK_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TASK_OVER": grpc.StatusCode.FAILED_PRECONDITION,
    "TASK_IN_QUEUE": grpc.StatusCode.FAILED_PRECONDITION,
    "OPERATION_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "OPERATION_REJECTED": grpc.StatusCode.FAILED_PRECONDITION,
    "OPERATION_TIMED_OUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "CONFIG": grpc.StatusCode.INVALID_ARGUMENT,
    "NOT_RELOADABLE": grpc.StatusCode.FAILED_PRECONDITION,
    "NODE_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "NODE_GONE": grpc.StatusCode.FAILED_PRECONDITION,
    "AGENT_PRESENT": grpc.StatusCode.FAILED_PRECONDITION,
    "AGENT_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "AGENT_CONNECTED": grpc.StatusCode.ALREADY_EXISTS,
    "SESSION_OVER": grpc.StatusCode.UNAVAILABLE,
    "EPOCH_OVER": grpc.StatusCode.FAILED_PRECONDITION,
    "NOT_THIS_AGENT": grpc.StatusCode.PERMISSION_DENIED,
    "NOT_THIS_PLUGIN": grpc.StatusCode.PERMISSION_DENIED,
    "POOL_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "KIND_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TOKEN_NOT_FOUND": grpc.StatusCode.NOT_FOUND,
    "TOKEN_MISSING_OR_WRONG": grpc.StatusCode.UNAUTHENTICATED,
    "TOKEN_EXPIRED": grpc.StatusCode.UNAUTHENTICATED,
    "TOKEN_REVOKED": grpc.StatusCode.UNAUTHENTICATED,
    "CERTIFICATE_UNKNOWN": grpc.StatusCode.UNAUTHENTICATED,
    "FORBIDDEN": grpc.StatusCode.PERMISSION_DENIED,
    "ROLE_TOO_LOW": grpc.StatusCode.PERMISSION_DENIED,
    "POOL_OUT_OF_SCOPE": grpc.StatusCode.PERMISSION_DENIED,
    "SCOPE_TOO_NARROW": grpc.StatusCode.PERMISSION_DENIED,
    "TOO_MANY_CALLS": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "CALL_TIMED_OUT": grpc.StatusCode.DEADLINE_EXCEEDED,
    "STORE_UNAVAILABLE": grpc.StatusCode.UNAVAILABLE,
    "ATTEMPT_SUPERSEDED": grpc.StatusCode.ABORTED,
    "TASK_INTERRUPTED": grpc.StatusCode.ABORTED,
    "FILTER_TOO_BROAD": grpc.StatusCode.DEADLINE_EXCEEDED,
    "SHUTTING_DOWN": grpc.StatusCode.UNAVAILABLE,
}
"""Everything else is INVALID_ARGUMENT when it is one, and INTERNAL otherwise."""

open_streams: Counter[str] = Counter()
"""How many streams of each RPC are open in this process."""


def code_of(error: WindlassError) -> grpc.StatusCode:
    """The gRPC code of an error of ours."""
    if isinstance(error, InvalidArgument):
        return grpc.StatusCode.INVALID_ARGUMENT
    return CODES.get(error.reason, grpc.StatusCode.INTERNAL)


def details_of(error: WindlassError) -> bytes:
    """A google.rpc.Status: one ErrorInfo, and the detail that fits its code (control/details.py)."""
    code = code_of(error)
    number = code_pb2.Code.Value(code.name)
    status = status_pb2.Status(code=number, message=short(error.message), details=packed(error, code))
    return bytes(status.SerializeToString())


async def refuse(context: Any, error: WindlassError) -> NoReturn:
    """End the call with this error.  Messages go out as one line."""
    trailer = (("grpc-status-details-bin", details_of(error)),)
    await context.abort(code_of(error), short(error.message.replace("\n", " ")), trailing_metadata=trailer)
    raise AssertionError("abort raises")


def answers(method: Callable[[Any, Any, Any], Awaitable[T]]) -> Callable[[Any, Any, Any], Awaitable[T]]:
    """A unary RPC whose errors are told in gRPC's words; what nobody foresaw becomes an error id."""

    @wraps(method)
    async def answered(self: Any, request: Any, context: Any) -> T:
        try:
            return await method(self, request, context)
        except WindlassError as error:
            await refuse(context, error)
        except Exception as error:  # noqa: BLE001 - nobody else is left to answer the caller
            await refuse(context, _unforeseen(error, method.__qualname__))

    return answered


def streams(method: Callable[[Any, Any, Any], AsyncIterator[T]]) -> Callable[[Any, Any, Any], AsyncIterator[T]]:
    """The same for an RPC that answers with a stream.

    It writes by itself: gRPC leaves a generator whose client went away during a write to the garbage collector, with
    all that it holds.
    """

    @wraps(method)
    async def streamed(self: Any, request: Any, context: Any) -> None:
        open_streams[method.__name__] += 1
        try:
            async with aclosing(cast("AsyncGenerator[T, None]", method(self, request, context))) as messages:
                async for message in messages:
                    await context.write(message)
        except WindlassError as error:
            await refuse(context, error)
        except Exception as error:  # noqa: BLE001 - nobody else is left to answer the caller
            await refuse(context, _unforeseen(error, method.__qualname__))
        finally:
            open_streams[method.__name__] -= 1

    # What the generated base class asks for; gRPC takes either.
    return cast("Callable[[Any, Any, Any], AsyncIterator[T]]", streamed)


def _unforeseen(error: Exception, where: str) -> WindlassError:
    if type(error).__name__ == "AbortError":
        raise error
    number = uuid.uuid4().hex[:12]
    log.error("unforeseen error", error_id=number, rpc=where, exc_info=error)
    return WindlassError(f"internal error {number}: the server's log has the details", error_id=number)
