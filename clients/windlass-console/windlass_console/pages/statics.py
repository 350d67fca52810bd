"""The assets: named with the mark of their content, so browsers keep them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from windlass_console.rendering import STATIC, Nav

A_YEAR = "public, max-age=31536000, immutable"


class Kept(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        answer = await super().get_response(path, scope)
        if b"v=" in scope["query_string"]:
            answer.headers["cache-control"] = A_YEAR
        return answer


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


ROUTES: tuple[BaseRoute, ...] = (Mount("/static", Kept(directory=STATIC)), Route("/healthz", healthz))
NAVS: tuple[Nav, ...] = ()
