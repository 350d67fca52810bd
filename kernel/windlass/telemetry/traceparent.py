"""W3C trace context as a task keeps it: one text, `traceparent` or `traceparent tracestate`.  No OpenTelemetry here."""

from __future__ import annotations

import re

TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACESTATE = re.compile(r"[\x20-\x7e]{1,512}")


def kept(traceparent: str, tracestate: str = "") -> str | None:
    """What a task keeps.  A trace must not fail the work it tells of: what is no trace context is left out."""
    if not TRACEPARENT.fullmatch(traceparent):
        return None
    return f"{traceparent} {tracestate}" if TRACESTATE.fullmatch(tracestate) else traceparent


def carrier(trace: str) -> dict[str, str]:
    """The two headers of what was kept."""
    traceparent, _, tracestate = trace.partition(" ")
    return {"traceparent": traceparent} | ({"tracestate": tracestate} if tracestate else {})


def trace_id(trace: str) -> str:
    """32 hexadecimal digits."""
    return trace[3:35]
