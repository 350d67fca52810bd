"""The small values that many messages share: times, spans, JSON, names."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_proto.v1 import task_pb2

from windlass.errors import InvalidArgument

JSON = "application/json"
LONGEST_NAME = 200


def timestamp(at: datetime | None) -> Timestamp | None:
    """None, which leaves the field unset, for None."""
    if at is None:
        return None
    message = Timestamp()
    message.FromDatetime(at)
    return message


def span(seconds: float | None) -> Duration | None:
    """None for None, and for what a Duration can't say, such as for ever."""
    if seconds is None or not math.isfinite(seconds):
        return None
    message = Duration()
    message.FromTimedelta(timedelta(seconds=seconds))
    return message


def payload(data: bytes | None) -> task_pb2.Payload | None:
    """JSON text as a payload; None for None."""
    return None if data is None else task_pb2.Payload(content_type=JSON, data=bytes(data))


def read_payload(message: task_pb2.Payload, field: str) -> bytes:
    """The JSON text of a payload; `{}` when nothing was sent."""
    if message.content_type not in ("", JSON):
        field = f"{field}.content_type"
        raise InvalidArgument(f"{field} must be {JSON}, not {message.content_type[:60]!r}", field=field)
    return message.data or b"{}"


def read_seconds(message: Duration, field: str) -> float:
    """A Duration in seconds; one beyond its range is refused."""
    try:
        return float(message.ToTimedelta().total_seconds())
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f"{field} is out of range: {error}", field=field) from error


def read_name(name: str, collection: str, field: str = "name") -> str:
    """The last part of a resource name such as `pools/default`."""
    last = name.removeprefix(f"{collection}/")
    if last == name or not 0 < len(last) <= LONGEST_NAME or not last.isprintable():
        raise InvalidArgument(f"{field} must look like {collection}/…, not {name[:60]!r}", field=field)
    return last
