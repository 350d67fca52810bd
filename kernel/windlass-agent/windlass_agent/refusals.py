"""Why the kernel ended a stream: its own words, where it said any."""

from __future__ import annotations

from typing import Any

import grpc
import msgspec
from google.rpc import error_details_pb2, status_pb2
from windlass.errors import WindlassError

from windlass_agent.convert import error_of

FINAL = (
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNIMPLEMENTED,
)


class Refused(msgspec.Struct, frozen=True):
    """`is_final`: waiting does not mend it."""

    reason: str
    error: WindlassError
    is_final: bool


def refusal_of(error: grpc.RpcError) -> Refused:
    """What a broken call ended with."""
    call: Any = error
    code, words = call.code(), call.details() or ""
    info = error_details_pb2.ErrorInfo()
    for key, raw in call.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(raw).details:
                detail.Unpack(info)
    told = error_of(info.reason, words or code.name.lower(), "", dict(info.metadata))
    return Refused(info.reason, told, code in FINAL)
