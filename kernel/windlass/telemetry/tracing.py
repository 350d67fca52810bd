"""Traces.  One trace leads from a caller through the enqueue, each claim and each attempt to its stored end.

    caller ──> enqueue ──┬──> claim K      (receive)
                         ├──> run K        (process) ──> the handler's own spans, its waits for lanes, its children
                         │      └──> finish K  (settle)
                         └──> run K        the next attempt, linked to the one before

Names and attributes follow the semantic conventions for messaging; the destination is the kind.

Attempts of one task may run on nodes that never meet, and one that dies with its node tells nobody its span's id.  So
that id is no chance: it is a digest of the trace, the task and the attempt, and each attempt knows the one before.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from hashlib import blake2b
from importlib.metadata import version
from typing import Any, Protocol

from opentelemetry import trace
from opentelemetry.context import Context, attach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from windlass.telemetry.exporting import CLOSE_SECONDS, TRACES, make, resource
from windlass.telemetry.relay import Finished
from windlass.telemetry.traceparent import carrier, kept

SAMPLED = TraceFlags(TraceFlags.SAMPLED)
FAILURES = ("failed", "retry")


class Traced(Protocol):
    """What is told of an attempt."""

    @property
    def id(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def attempt(self) -> int: ...
    @property
    def retries(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def trace(self) -> str | None: ...


class Spans:
    """Made once a process; plugins find its provider through OpenTelemetry's own API."""

    def __init__(self, exporters: Sequence[str], environ: Mapping[str, str], node: str) -> None:
        self._ids = _PlannedIds()
        self._provider = TracerProvider(
            resource=resource(environ, node), id_generator=self._ids, shutdown_on_exit=False
        )
        self._processors = [BatchSpanProcessor(exporter) for exporter in make(TRACES, list(exporters), environ)]
        for processor in self._processors:
            self._provider.add_span_processor(processor)
        trace.set_tracer_provider(self._provider)
        self._tracer = self._provider.get_tracer("windlass", version("windlass-kernel"))
        self._headers = TraceContextTextMapPropagator()

    def close(self) -> None:
        """Send what is left, for as long as `CLOSE_SECONDS`, and end the exporters' threads."""
        # Their own shutdown waits ten times as long, so it is not waited for.
        ending = threading.Thread(target=self._provider.shutdown, name="end of traces", daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)

    def current(self) -> str | None:
        """Where we are, as it is kept on a task; None outside of every trace."""
        headers: dict[str, str] = {}
        self._headers.inject(headers)
        return kept(headers["traceparent"], headers.get("tracestate", "")) if headers else None

    @contextmanager
    def enqueuing(self, name: str, brought: str | None, **attributes: str) -> Iterator[None]:
        """Tasks are made in the block, on behalf of who brought this trace."""
        told = _messaging("enqueue", "send") | {f"windlass.{key}": value for key, value in attributes.items() if value}
        with self._tracer.start_as_current_span(
            name, self._context(brought), SpanKind.PRODUCER, told, record_exception=False
        ):
            yield

    def claimed(self, tasks: Sequence[Traced], pool: str, began: int) -> None:
        """These were claimed by a statement that began then (nanoseconds)."""
        for task in tasks:
            self._start(task, "claim", "receive", SpanKind.CLIENT, pool, start_time=began).end()

    def attempt(self, task: Traced, pool: str) -> AttemptSpan:
        """An attempt begins: from here on it is the current span of whoever calls."""
        mine = self._trace_id(task)
        before = [Link(_attempt_context(mine, task, task.attempt - 1))] if task.attempt > 1 else []
        planned = _attempt_id(mine, task, task.attempt)
        span = self._start(task, "run", "process", SpanKind.CONSUMER, pool, planned, links=before)
        attach(trace.set_span_in_context(span, Context()))
        return AttemptSpan(self, span, task, pool)

    @contextmanager
    def inside(self, name: str, **attributes: str) -> Iterator[None]:
        """A part of the attempt."""
        told = {f"windlass.{key}": value for key, value in attributes.items()}
        with self._tracer.start_as_current_span(name, attributes=told, record_exception=False):
            yield

    def begin(self, name: str, **attributes: str) -> Callable[[], None]:
        """The same for a part that may end elsewhere than it began: by calling what is returned."""
        told = {f"windlass.{key}": value for key, value in attributes.items()}
        return self._tracer.start_span(name, attributes=told).end

    def settled(self, parent: Span, task: Traced, pool: str, began: int) -> None:
        """Its end, handed in at that time, is stored now."""
        told = _messaging("finish", "settle", task, pool)
        context = trace.set_span_in_context(parent, Context())
        span = self._tracer.start_span(f"finish {task.kind}", context, SpanKind.CLIENT, told, start_time=began)
        span.end()

    def replay(self, told: Finished) -> None:
        """A span that ended in a worker process."""
        context = Context()
        if told.parent:
            there = SpanContext(int(told.trace, 16), int(told.parent, 16), is_remote=True, trace_flags=SAMPLED)
            context = trace.set_span_in_context(NonRecordingSpan(there), context)
        links = [Link(SpanContext(int(t, 16), int(s, 16), is_remote=True), at) for t, s, at in told.links]
        tracer = self._provider.get_tracer(told.scope, told.version)
        with self._ids.planned(int(told.trace, 16), int(told.span, 16)):
            span = tracer.start_span(
                told.name, context, SpanKind(told.kind), told.attributes, links, start_time=told.began
            )
        for name, at, attributes in told.events:
            span.add_event(name, attributes, at)
        if told.status:
            span.set_status(Status(StatusCode(told.status), told.words or None))
        span.end(told.ended)

    def _start(
        self, task: Traced, name: str, sort: str, kind: SpanKind, pool: str, planned: int = 0, **more: Any
    ) -> Span:
        with self._ids.planned(self._trace_id(task), planned):
            return self._tracer.start_span(
                f"{name} {task.kind}", self._context(task.trace), kind, _messaging(name, sort, task, pool), **more
            )

    def _context(self, brought: str | None) -> Context:
        return self._headers.extract(carrier(brought), Context()) if brought else Context()

    def _trace_id(self, task: Traced) -> int:
        if task.trace:
            return int(task.trace[3:35], 16)
        # Nobody brought one: all its attempts are in the same one all the same.
        return int.from_bytes(blake2b(f"{task.id} {task.created_at.timestamp()}".encode(), digest_size=16).digest())


class AttemptSpan:
    """An attempt from its start until its end is stored."""

    def __init__(self, spans: Spans, span: Span, task: Traced, pool: str) -> None:
        self._spans = spans
        self._span = span
        self._task = task
        self._pool = pool
        self._handed_in = 0

    def handed_in(self, outcome: str, words: str) -> None:
        """How it ended, in the words of core/lifecycle.py."""
        self._span.set_attribute("windlass.outcome", outcome)
        if outcome in FAILURES:
            self._span.set_status(Status(StatusCode.ERROR, words))
        self._handed_in = time.time_ns()
        self._span.end(self._handed_in)

    def stored(self) -> None:
        self._spans.settled(self._span, self._task, self._pool, self._handed_in)


class _PlannedIds(RandomIdGenerator):
    """Gives out what was planned in this thread, and random ids otherwise."""

    def __init__(self) -> None:
        self._plan = threading.local()

    @contextmanager
    def planned(self, trace_id: int, span_id: int) -> Iterator[None]:
        self._plan.trace, self._plan.span = trace_id, span_id
        try:
            yield
        finally:
            self._plan.trace = self._plan.span = 0

    def generate_trace_id(self) -> int:
        return getattr(self._plan, "trace", 0) or super().generate_trace_id()

    def generate_span_id(self) -> int:
        return getattr(self._plan, "span", 0) or super().generate_span_id()


def _attempt_id(trace_id: int, task: Traced, attempt: int) -> int:
    facts = trace_id.to_bytes(16) + struct.pack(">QI", task.id, attempt)
    return int.from_bytes(blake2b(facts, digest_size=8).digest()) or 1


def _attempt_context(trace_id: int, task: Traced, attempt: int) -> SpanContext:
    return SpanContext(trace_id, _attempt_id(trace_id, task, attempt), is_remote=True, trace_flags=SAMPLED)


def _messaging(name: str, sort: str, task: Traced | None = None, pool: str = "") -> dict[str, Any]:
    told: dict[str, Any] = {
        "messaging.system": "windlass",
        "messaging.operation.name": name,
        "messaging.operation.type": sort,
    }
    if task is not None:
        told |= {
            "messaging.destination.name": task.kind,
            "messaging.message.id": f"tasks/{task.id}",
            "windlass.attempt": task.attempt,
            "windlass.retries": task.retries,
            "windlass.pool": pool,
        }
    return told
