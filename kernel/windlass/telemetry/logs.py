"""Logs: structured lines on stderr, for people or as JSON.  What plugins log with the standard library looks the same.

A line that is written during an attempt says which: the task, the attempt, the kind, and the trace when there is one.
"""

from __future__ import annotations

import logging
import sys
from contextvars import ContextVar
from typing import Any, Protocol

import structlog
from structlog.typing import EventDict, Processor

from windlass import telemetry
from windlass.config import LogConfig
from windlass.errors import BootError
from windlass.telemetry.traceparent import trace_id

QUIET = {
    # The pool tells of each lost connection; the kernel says once what that means.
    "psycopg": logging.ERROR,
    "uvicorn": logging.WARNING,
}


class About(Protocol):
    """An attempt, as far as a line names it."""

    @property
    def id(self) -> int: ...
    @property
    def attempt(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def trace(self) -> str | None: ...


about: ContextVar[About | None] = ContextVar("about", default=None)
"""The attempt that runs here.  One variable, read when there is a line: binding each word would cost every attempt."""


def set_up_logging(config: LogConfig) -> None:
    """Structured lines on stderr: for people by default, JSON when configured.  Raises `BootError`."""
    level = logging.getLevelNamesMapping().get(config.level.upper())
    if level is None:
        raise BootError(f"log.level must be debug, info, warning or error, not {config.level!r}")
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_attempt,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    render: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if config.json
        else [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    )
    structlog.configure(
        processors=[*processors, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    _set_up_standard(level, processors, render)


def _set_up_standard(level: int, processors: list[Processor], render: list[Processor]) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*processors, structlog.stdlib.add_logger_name, structlog.stdlib.ExtraAdder()],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name, least in QUIET.items():
        logging.getLogger(name).setLevel(max(level, least))


def _name_attempt(_logger: Any, _method: str, event: EventDict) -> EventDict:
    attempt = about.get()
    if attempt is None or event.get("task", attempt.id) != attempt.id:
        return event
    told: dict[str, Any] = {"task": attempt.id, "attempt": attempt.attempt, "kind": attempt.kind}
    current = None if telemetry.spans is None else telemetry.spans.current()
    if trace := current or attempt.trace:
        told["trace_id"] = trace_id(trace)
    told.update(event)
    return told
