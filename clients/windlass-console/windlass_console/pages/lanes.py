"""Lanes: who holds each single-writer resource, and who waits for it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from windlass_console.rendering import Nav, render_live, session_of


async def page(request: Request) -> Response:
    lanes = await session_of(request).client.cluster.lanes()
    return render_live(request, "nodes/lanes.html", "nodes/lanes_part.html", lanes=lanes)


ROUTES: tuple[BaseRoute, ...] = (Route("/lanes", page),)
NAVS = (Nav("/lanes", "Lanes", is_whole=True),)
