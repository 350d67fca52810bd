"""The trace a call belongs to, as W3C trace context: sent with the call, and kept on the tasks it makes.

With OpenTelemetry it is the span that is active where the call is made.  Without, it is what `traced` was told:

    with traced(request.headers["traceparent"], request.headers.get("tracestate", "")):
        await client.enqueue("Greet", {"name": "Ada"})
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from windlass_client.errors import InvalidArgument

Headers = tuple[tuple[str, str], ...]

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACESTATE = re.compile(r"[ -~]{0,512}")

_told: ContextVar[Headers] = ContextVar("windlass_trace", default=())


@contextmanager
def traced(traceparent: str, tracestate: str = "") -> Iterator[None]:
    """Calls made inside belong to this trace, in this task or thread; an active span of OpenTelemetry comes before it.

    InvalidArgument when it is no trace context; a `tracestate` that is none is left out.
    """
    if not TRACEPARENT.fullmatch(traceparent):
        raise InvalidArgument(f"{traceparent!r} is no traceparent", reason="TRACEPARENT_INVALID")
    before = _told.set(_headers(traceparent, tracestate))
    try:
        yield
    finally:
        _told.reset(before)


def trace_headers() -> Headers:
    """What a call that begins now says of its trace; empty when it belongs to none."""
    # Whoever has begun a span has imported this, so that a look costs nothing where nobody did.
    trace = sys.modules.get("opentelemetry.trace")
    span = trace.get_current_span().get_span_context() if trace else None
    if span is None or not span.is_valid:
        return _told.get()
    parent = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
    return _headers(parent, span.trace_state.to_header())


def _headers(traceparent: str, tracestate: str) -> Headers:
    state = (("tracestate", tracestate),) if tracestate and TRACESTATE.fullmatch(tracestate) else ()
    return (("traceparent", traceparent), *state)
