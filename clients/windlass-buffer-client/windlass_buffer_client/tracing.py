"""The trace a transaction belongs to, as W3C trace context: it goes along to the drainer and on to the replicas."""

from __future__ import annotations

import re
import sys

from windlass_buffer_client.errors import BadEntry

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def traceparent(given: str = "") -> str:
    """What was given, or else the span of OpenTelemetry that is active now, or else "".  BadEntry when it is none."""
    if given:
        if not TRACEPARENT.fullmatch(given):
            raise BadEntry(f"traceparent: {given!r} is none (W3C Trace Context: 00-<32 hex>-<16 hex>-<2 hex>)")
        return given
    # Whoever has begun a span has imported this, so that a look costs nothing where nobody did.
    trace = sys.modules.get("opentelemetry.trace")
    span = trace.get_current_span().get_span_context() if trace else None
    if span is None or not span.is_valid:
        return ""
    return f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"
