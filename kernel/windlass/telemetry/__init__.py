"""What the kernel tells of itself: traces, metrics and logs.  Nothing outside of here knows OpenTelemetry.

Off, as it begins, `spans` and `meters` are None: each place that has something to tell asks that with one `if`, and
nothing of OpenTelemetry is imported.  `start` turns on what the environment asks for, once a process.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING

from windlass.telemetry.exporting import METRICS, TRACES, wanted
from windlass.telemetry.measuring import Meters

if TYPE_CHECKING:
    from windlass.telemetry.pushing import Push
    from windlass.telemetry.tracing import Spans

spans: Spans | None = None
meters: Meters | None = None
carried: ContextVar[str | None] = ContextVar("carried", default=None)
"""The trace that a call brought, as it is kept on the tasks that the call makes (telemetry/traceparent.py)."""


def trace_here() -> str | None:
    """The trace that a task belongs to which is made here, as it is kept."""
    current = None if spans is None else spans.current()
    return current or carried.get()


def start(environ: Mapping[str, str], node: str, *, measure: bool) -> Push | None:
    """Turn on what the standard OTEL_* variables ask for; what sends the metrics, if they are to be sent.

    `node` names this process.  `measure`: somebody will read the metrics from here.  Raises `BootError`.
    """
    global spans, meters  # noqa: PLW0603 - one process tells of itself in one way
    push = None
    if exporters := wanted(TRACES, environ):
        from windlass.telemetry.tracing import Spans

        spans = Spans(exporters, environ, node)
    if exporters := wanted(METRICS, environ):
        from windlass.telemetry.pushing import Push

        push = Push(exporters, environ, node)
    if measure or push is not None:
        meters = Meters()
    return push


def stop() -> None:
    """Send what is left and end the exporters' threads; it takes up to a few seconds, and blocks."""
    global spans, meters
    ended, spans, meters = spans, None, None
    if ended is not None:
        ended.close()
