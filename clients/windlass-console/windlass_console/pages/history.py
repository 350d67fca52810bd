"""History."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from windlass_console.rendering import Nav, render


async def page(request: Request) -> Response:
    return render(request, "empty.html", title="History")


ROUTES = (Route("/history", page),)
NAVS = (Nav("/history", "History"),)
