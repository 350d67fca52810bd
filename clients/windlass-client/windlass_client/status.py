"""A refused gRPC call to the error a caller sees."""

from __future__ import annotations

from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode
from grpc.aio import AioRpcError

from windlass_client.errors import (
    Aborted,
    AlreadyExists,
    DeadlineExceeded,
    FailedPrecondition,
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


def error_of(refused: AioRpcError) -> WindlassError:
    """With the reason and the metadata of its ErrorInfo; a status that has no class here is a plain WindlassError."""
    code = refused.code()
    info = _error_info(refused)
    return ERRORS.get(code, WindlassError)(
        refused.details() or code.name, code=code.name, reason=info.reason, metadata=info.metadata
    )


def _error_info(refused: AioRpcError) -> error_details_pb2.ErrorInfo:
    """An empty one when the call was refused by something that knows no ErrorInfo: a proxy, or gRPC itself."""
    info = error_details_pb2.ErrorInfo()
    for key, value in refused.trailing_metadata() or ():
        if key == DETAILS and isinstance(value, bytes):
            for detail in _status(value).details:
                if detail.Unpack(info):
                    return info
    return info


def _status(data: bytes) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(data)
    except DecodeError:
        return status_pb2.Status()
