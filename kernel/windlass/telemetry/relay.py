"""Spans of handlers in worker processes.  The worker tells the node of each as it ends, and the node exports it.

A worker has no exporter: gRPC's threads would stand in the way of handlers that fork, and a worker that is killed
would take what it had gathered with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from windlass.telemetry.traceparent import carrier

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

Attributes = dict[str, Any]


class Finished(msgspec.Struct, frozen=True):
    """A span that has ended.  Ids are hexadecimal, times nanoseconds since 1970, enums OpenTelemetry's numbers."""

    name: str
    scope: str
    version: str
    trace: str
    span: str
    parent: str
    kind: int
    began: int
    ended: int
    status: int
    words: str
    attributes: Attributes
    events: list[tuple[str, int, Attributes]]
    links: list[tuple[str, str, Attributes]]


class Relay:
    """One a worker process: `tell` is where the spans of the present attempt go."""

    _tell: Callable[[Finished], None] | None = None

    def __init__(self) -> None:
        from opentelemetry import trace
        from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

        relay = self

        class Ended(SpanProcessor):
            def on_end(self, span: ReadableSpan) -> None:
                if relay._tell is not None and span.context is not None and span.context.trace_flags.sampled:
                    relay._tell(_finished(span))

        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(Ended())
        trace.set_tracer_provider(provider)

    @contextmanager
    def within(self, brought: str, tell: Callable[[Finished], None]) -> Iterator[None]:
        """The block is a part of this trace."""
        from opentelemetry.context import Context, attach, detach
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        token = attach(TraceContextTextMapPropagator().extract(carrier(brought), Context()))
        self._tell = tell
        try:
            yield
        finally:
            self._tell = None
            detach(token)


_relay: list[Relay] = []


@contextmanager
def within(brought: str, tell: Callable[[Finished], None]) -> Iterator[None]:
    """Spans of the block are told; OpenTelemetry is imported by the first attempt that is traced."""
    if not brought:
        yield
        return
    if not _relay:
        _relay.append(Relay())
    with _relay[0].within(brought, tell):
        yield


def _finished(span: ReadableSpan) -> Finished:
    context, scope = span.context, span.instrumentation_scope
    assert context is not None
    return Finished(
        name=span.name,
        scope=scope.name if scope else "",
        version=(scope.version or "") if scope else "",
        trace=f"{context.trace_id:032x}",
        span=f"{context.span_id:016x}",
        parent=f"{span.parent.span_id:016x}" if span.parent else "",
        kind=span.kind.value,
        began=span.start_time or 0,
        ended=span.end_time or 0,
        status=span.status.status_code.value,
        words=span.status.description or "",
        attributes=dict(span.attributes or {}),
        events=[(event.name, event.timestamp, dict(event.attributes or {})) for event in span.events],
        links=[
            (f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}", dict(link.attributes or {}))
            for link in span.links
        ],
    )
