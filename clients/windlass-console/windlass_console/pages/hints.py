"""`/live`: the browser's one stream, which tells what to load again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import aclosing

from sse_starlette import ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.event_streams import event_stream
from windlass_console.guard import COOKIE
from windlass_console.live import Live
from windlass_console.rendering import Nav


async def stream(request: Request) -> Response:
    return event_stream(_events(request, request.app.state.live))


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


ROUTES: tuple[BaseRoute, ...] = (Route("/live", stream),)
NAVS: tuple[Nav, ...] = ()
