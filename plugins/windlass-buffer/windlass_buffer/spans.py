"""One trace from `submit` to the replica: spans in the trace that a transaction brought.

    submit (the producer's own span) ──> apply ENDPOINT ──> replicate

Transactions of many traces are applied in one batch, so each span of one is linked to the attempt that did the batch.
Its end is known already when a span is made; so nothing is kept open, and a drainer that is killed leaves none behind.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import Any

from windlass_buffer_client.envelope import Entry

from windlass_buffer.replication import Check

SCOPE = "windlass_buffer"


def applied(entries: Iterable[Entry], site: str, began: int) -> None:
    """These are committed, by work that began then (nanoseconds since 1970).

    From here on each stands in its own span: that is what its `traceparent` names now.
    """
    if (trace := _loaded()) is None:
        return
    attempt = trace.get_current_span().get_span_context()
    links = [trace.Link(attempt)] if attempt.is_valid else []
    for entry in entries:
        if entry.traceparent:
            told = {"windlass.buffer.site": site, "messaging.message.id": str(entry.id)}
            span = _span(trace, f"apply {entry.endpoint}", entry.traceparent, began, told, links)
            entry.traceparent = _traceparent(span)


def replicated(checks: Iterable[Check], site: str) -> None:
    """Enough replicas show these."""
    if (trace := _loaded()) is None:
        return
    for check in checks:
        if check.traceparent:
            told = {"windlass.buffer.site": site, "messaging.message.id": check.id}
            _span(trace, "replicate", check.traceparent, int(check.since * 1e9), told, [])


def _loaded() -> Any:
    """OpenTelemetry, where the node exports traces: a process that does not has never imported it."""
    return sys.modules.get("opentelemetry.trace")


def _span(trace: Any, name: str, traceparent: str, began: int, told: dict[str, str], links: list[Any]) -> Any:
    """One that is over now.  Entries come from strangers too: what is no trace context has a trace of its own."""
    context = None
    parts = traceparent.split("-")
    if len(parts) >= 4 and all(_is_hex(part) for part in parts[1:4]):
        there = trace.SpanContext(int(parts[1], 16), int(parts[2], 16), True, trace.TraceFlags(int(parts[3], 16)))
        context = trace.set_span_in_context(trace.NonRecordingSpan(there))
    span = trace.get_tracer(SCOPE).start_span(
        name, context, trace.SpanKind.CONSUMER, told, links, start_time=began, record_exception=False
    )
    span.end(max(began, time.time_ns()))
    return span


def _traceparent(span: Any) -> str:
    mine = span.get_span_context()
    return f"00-{mine.trace_id:032x}-{mine.span_id:016x}-{mine.trace_flags:02x}" if mine.is_valid else ""


def _is_hex(text: str) -> bool:
    return bool(text) and all(letter in "0123456789abcdef" for letter in text)
