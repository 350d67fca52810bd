"""The assets: named with the mark of their content, so browsers keep them; packed once, so the first page is quick."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from windlass_console.rendering import STATIC, Nav

MEDIA = {"js": "text/javascript", "css": "text/css"}
A_YEAR = "public, max-age=31536000, immutable"
SHORT = 1000
"""Bytes below which packing saves nothing."""


@dataclass(frozen=True, slots=True)
class Asset:
    """`packed` is empty for what is short."""

    plain: bytes
    packed: bytes
    media: str
    etag: str


async def static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _names():
        raise HTTPException(404, "There is no such file")
    asset = _asset(name)
    headers = {"etag": asset.etag, "vary": "accept-encoding"}
    if "v" in request.query_params:
        headers["cache-control"] = A_YEAR
    if request.headers.get("if-none-match") == asset.etag:
        return Response(status_code=304, headers=headers)
    if asset.packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(asset.packed, headers=headers | {"content-encoding": "gzip"}, media_type=asset.media)
    return Response(asset.plain, headers=headers, media_type=asset.media)


@cache
def _names() -> frozenset[str]:
    return frozenset(str(file.relative_to(STATIC)) for file in STATIC.rglob("*") if file.is_file())


@cache
def _asset(name: str) -> Asset:
    plain = (STATIC / name).read_bytes()
    packed = gzip.compress(plain, mtime=0) if len(plain) >= SHORT else b""
    media = MEDIA.get(name.rpartition(".")[2], "text/plain")
    return Asset(plain, packed, media, f'"{hashlib.sha256(plain).hexdigest()[:16]}"')


async def healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


ROUTES: tuple[BaseRoute, ...] = (Route("/static/{name:path}", static), Route("/healthz", healthz))
NAVS: tuple[Nav, ...] = ()
