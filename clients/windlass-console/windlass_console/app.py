"""The application: every page, the guard before them, and the one watch behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from windlass_client import Client, WindlassError

from windlass_console.guard import Guard
from windlass_console.kind_names import KindNames
from windlass_console.live import Live
from windlass_console.pages import (
    active,
    agents,
    audit,
    bulk,
    card,
    hints,
    history,
    launch,
    log,
    nodes,
    overview,
    plugins,
    pools,
    schedules,
    scripts,
    sign_in,
    statics,
    tokens,
)
from windlass_console.problems import problem, refused
from windlass_console.sessions import Connect, Sessions
from windlass_console.settings import Settings

PAGES: tuple[ModuleType, ...] = (
    overview, active, history, launch, scripts, schedules, nodes, agents, pools, plugins, audit, tokens,
    card, log, bulk, sign_in, hints, statics,
)  # fmt: skip
"""Each has ROUTES, and NAVS for the list of pages, which is in this order."""


def create(settings: Settings, own: Client, connect: Connect) -> Starlette:
    """`own` watches the server for all; `connect` makes a client with the token of who signs in."""
    sessions = Sessions(connect, settings.session_seconds)
    live = Live(own)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        live.start()
        try:
            yield
        finally:
            await live.close()
            await sessions.close()
            await own.close()

    routes: list[BaseRoute] = [route for page in PAGES for route in page.ROUTES]
    app = Starlette(
        routes=[Mount(settings.prefix, routes=routes)] if settings.prefix else routes,
        middleware=[
            Middleware(Guard, settings=settings, sessions=sessions),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=4),
        ],
        exception_handlers={WindlassError: refused, HTTPException: _failed},
        lifespan=lifespan,
    )
    app.state.settings = settings
    app.state.sessions = sessions
    app.state.live = live
    app.state.kind_names = KindNames()
    app.state.navs = [nav for page in PAGES for nav in page.NAVS]
    return app


async def _failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = "Go back, or choose a page on the left." if error.status_code == 404 else ""
    return problem(request, error.status_code, error.detail, words)
