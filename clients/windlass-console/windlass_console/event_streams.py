"""A stream of events to a browser, which goes on until the browser goes or the events end."""

from __future__ import annotations

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent

PING_SECONDS = 15
SEND_SECONDS = 30
"""A browser that takes nothing for so long has gone; it comes again by itself when it has not."""


def event_stream(events: AsyncIterator[ServerSentEvent]) -> EventSourceResponse:
    """With a `ping` now and then: a page knows by it that the stream still is one."""
    return EventSourceResponse(events, ping=PING_SECONDS, ping_message_factory=_ping, send_timeout=SEND_SECONDS)


def _ping() -> ServerSentEvent:
    # A comment would do for proxies, but scripts don't hear it.
    return ServerSentEvent("here", event="ping")
