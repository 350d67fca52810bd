"""What an error of ours carries beside its words: one ErrorInfo, and the detail of google.rpc that fits its status."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2

from windlass.errors import InvalidArgument, WindlassError

DOMAIN = "windlass"
LONGEST_MESSAGE = 1_000
"""Bytes.  What a request held may be in the words, and clients read no trailers over 8 KiB."""
LONGEST_FACT = 200
RETRY_AFTER = duration_pb2.Duration(nanos=200_000_000)
"""Soon: another server may answer at once, and clients draw longer pauses by themselves."""
RESOURCES = {name: f"{name}s" for name in ("task", "schedule", "pool", "kind", "node", "agent", "token", "operation")}
"""The collection of a fact that names a resource."""


def packed(error: WindlassError, code: grpc.StatusCode) -> list[any_pb2.Any]:
    """The details of an error that ends a call with `code`, as they travel."""
    facts = {key: short(fact, LONGEST_FACT) for key, fact in error.facts.items()}
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=facts)
    fitting = _fitting(error, code)
    found = []
    for detail in [info] if fitting is None else [info, fitting]:
        found.append(any_pb2.Any())
        found[-1].Pack(detail)
    return found


def short(text: str, limit: int = LONGEST_MESSAGE) -> str:
    """At most `limit` bytes of it."""
    encoded = text.encode("utf-8", "replace")
    return text if len(encoded) <= limit else encoded[: limit - 3].decode("utf-8", "ignore") + "…"


def _fitting(error: WindlassError, code: grpc.StatusCode) -> Any:
    words, name = short(error.message), _resource(error)
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT if isinstance(error, InvalidArgument) and error.field:
            return _bad_request(short(error.field, LONGEST_FACT), words)
        case grpc.StatusCode.NOT_FOUND | grpc.StatusCode.ALREADY_EXISTS if name:
            return error_details_pb2.ResourceInfo(
                resource_type=f"windlass.v1/{name.partition('/')[0]}", resource_name=name, description=words
            )
        case grpc.StatusCode.FAILED_PRECONDITION | grpc.StatusCode.ABORTED:
            violation = error_details_pb2.PreconditionFailure.Violation(
                type=error.reason, subject=name, description=words
            )
            return error_details_pb2.PreconditionFailure(violations=[violation])
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            quota = error_details_pb2.QuotaFailure.Violation(subject=error.reason, description=words)
            return error_details_pb2.QuotaFailure(violations=[quota])
        case grpc.StatusCode.UNAVAILABLE:
            return error_details_pb2.RetryInfo(retry_delay=RETRY_AFTER)
    return None


def _bad_request(field: str, words: str) -> Any:
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=words)
    return error_details_pb2.BadRequest(field_violations=[violation])


def _resource(error: WindlassError) -> str:
    """What an error is about, as `tasks/5`; empty when it names no resource."""
    for fact, collection in RESOURCES.items():
        if fact in error.facts:
            return short(f"{collection}/{error.facts[fact]}", LONGEST_FACT)
    return ""
