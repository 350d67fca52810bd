"""A refused gRPC call to the error a caller sees."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError

from windlass_client.convert import seconds
from windlass_client.details import Details, FieldViolation, PreconditionViolation, QuotaViolation, ResourceInfo
from windlass_client.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
    HandshakeFailed,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    WindlassError,
)

DETAILS = "grpc-status-details-bin"

ERRORS: dict[StatusCode, type[WindlassError]] = {
    StatusCode.INVALID_ARGUMENT: InvalidArgument,
    StatusCode.NOT_FOUND: NotFound,
    StatusCode.ALREADY_EXISTS: AlreadyExists,
    StatusCode.FAILED_PRECONDITION: FailedPrecondition,
    StatusCode.ABORTED: Aborted,
    StatusCode.UNIMPLEMENTED: Unimplemented,
    StatusCode.UNAUTHENTICATED: Unauthenticated,
    StatusCode.PERMISSION_DENIED: PermissionDenied,
    StatusCode.RESOURCE_EXHAUSTED: ResourceExhausted,
    StatusCode.UNAVAILABLE: Unavailable,
    StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
}


HANDSHAKES = {
    "CERTIFICATE_VERIFY_FAILED": (
        "CERTIFICATE_NOT_TRUSTED",
        "its certificate is not trusted here; WINDLASS_TLS_CA names the one that signed it",
    ),
    "WRONG_VERSION_NUMBER": ("TLS_NOT_SPOKEN", "it does not speak TLS; call it without"),
}
"""What gRPC says of a failed handshake; the reason, and what that means of the server."""


def error_of(refused: AioRpcError, address: str) -> WindlassError:
    """With the reason and the details that came with it; a status that has no class here is a plain WindlassError."""
    code, words = refused.code(), refused.details() or refused.code().name
    if code is StatusCode.UNAVAILABLE:
        for sign, (reason, meaning) in HANDSHAKES.items():
            if sign in words:
                return HandshakeFailed(f"no TLS with the server at {address}: {meaning}", reason=reason)
    said = _said(refused)
    info = next(_of(said, error_details_pb2.ErrorInfo), error_details_pb2.ErrorInfo())
    return ERRORS.get(code, WindlassError)(
        words,
        code=code.name,
        reason=info.reason,
        metadata=info.metadata,
        details=_details(said),
    )


def _said(refused: AioRpcError) -> status_pb2.Status:
    """An empty one when the call was refused by something that says no more: a proxy, or gRPC itself."""
    for key, value in refused.trailing_metadata() or ():
        if key == DETAILS and isinstance(value, bytes):
            return _status(value)
    return status_pb2.Status()


def _details(said: status_pb2.Status) -> Details:
    bad, unmet = _of(said, error_details_pb2.BadRequest), _of(said, error_details_pb2.PreconditionFailure)
    quotas, things = _of(said, error_details_pb2.QuotaFailure), _of(said, error_details_pb2.ResourceInfo)
    return Details(
        tuple(FieldViolation(v.field, v.description) for each in bad for v in each.field_violations),
        tuple(PreconditionViolation(v.type, v.subject, v.description) for each in unmet for v in each.violations),
        tuple(QuotaViolation(v.subject, v.description) for each in quotas for v in each.violations),
        tuple(ResourceInfo(v.resource_type, v.resource_name, v.owner, v.description) for v in things),
        next((seconds(each.retry_delay) for each in _of(said, error_details_pb2.RetryInfo)), None),
    )


def _of(said: status_pb2.Status, kind: Any) -> Iterator[Any]:
    """The details of this kind; one that cannot be read is as good as none."""
    for detail in said.details:
        message = kind()
        with suppress(DecodeError):
            if detail.Unpack(message):
                yield message


def _status(data: bytes) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(data)
    except DecodeError:
        return status_pb2.Status()
