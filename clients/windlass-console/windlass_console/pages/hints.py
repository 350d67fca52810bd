"""`/live`: the browser's one stream, which tells what to load again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.guard import COOKIE
from windlass_console.live import Live
from windlass_console.rendering import Nav

PING_SECONDS = 15
SEND_SECONDS = 30
"""A browser that takes nothing for so long has gone; it comes again by itself when it has not."""


async def stream(request: Request) -> Response:
    events = _events(request, request.app.state.live)
    return EventSourceResponse(events, ping=PING_SECONDS, ping_message_factory=_ping, send_timeout=SEND_SECONDS)


async def _events(request: Request, live: Live) -> AsyncIterator[ServerSentEvent]:
    """Until the browser goes, or its token has ended."""
    sessions, word = request.app.state.sessions, request.cookies.get(COOKIE)
    yield ServerSentEvent(live.link_words(), event="link", retry=1000)
    async with aclosing(live.hints()) as hints:
        async for topics in hints:
            if await sessions.find(word) is None:
                return
            if "link" in topics:
                yield ServerSentEvent(live.link_words(), event="link")
            if topics - {"link"}:
                yield ServerSentEvent(json.dumps(sorted(topics - {"link"})), event="hint")


def _ping() -> ServerSentEvent:
    """No comment, which scripts do not hear: a page knows by it that the stream still is one."""
    return ServerSentEvent("here", event="ping")


ROUTES: tuple[BaseRoute, ...] = (Route("/live", stream),)
NAVS: tuple[Nav, ...] = ()
