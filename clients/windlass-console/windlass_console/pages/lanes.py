"""Lanes: who holds each single-writer resource, and who waits for it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.reasons import is_fragment
from windlass_console.rendering import Nav, render, session_of


async def page(request: Request) -> Response:
    lanes = await session_of(request).client.cluster.lanes()
    return render(request, "nodes/lanes_part.html" if is_fragment(request) else "nodes/lanes.html", lanes=lanes)


ROUTES: tuple[BaseRoute, ...] = (Route("/lanes", page),)
NAVS = (Nav("/lanes", "Lanes", is_whole=True),)
