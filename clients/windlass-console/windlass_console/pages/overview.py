"""The overview: the background-work panel, drawn from the picture that the console holds, and the last hour."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from windlass_client import Coalescing, Picture

from windlass_console.live import Live
from windlass_console.rendering import Nav, render, session_of

NEWEST = 12
"""Samples that come with each panel: a minute of them, so that browsers seldom ask for the whole hour."""
QUICK = 4
"""Of gzip: what is sent to all at once is packed once, and soon out of date."""
PLACES = {"tasks": "/tasks/", "pools": "/pools", "kinds": "/pools", "nodes": "/nodes", "agents": "/nodes"}


class Folding(NamedTuple):
    """The tasks of a kind that others may join: how many, and how many requests have joined them."""

    kind: str
    tasks: int
    joined: int


class Subject(NamedTuple):
    """What a health signal is about, in words, and the path of its page; "" when it has none."""

    words: str
    path: str


async def page(request: Request) -> Response:
    return await _drawn(request, "overview/page.html")


async def panel(request: Request) -> Response:
    """The same for all who may see all pools: drawn and packed once for each picture."""
    if session_of(request).identity.pools:
        return await _drawn(request, "overview/panel.html")
    live = _live(request)
    return _packed(request, "panel", "text/html", lambda: _draw(request, "overview/panel.html", live.picture).body)


async def series(request: Request) -> Response:
    """The last hour as rows of numbers, whose columns are the fields of `series.Sample`."""
    rows = [] if session_of(request).identity.pools else _live(request).series.rows()
    if not rows:
        return Response("[]", media_type="application/json")
    return _packed(request, "series", "application/json", lambda: json.dumps(rows, separators=(",", ":")).encode())


async def _drawn(request: Request, template: str) -> Response:
    """Who may see some pools only is shown a picture of their own, which the server keeps to these."""
    session, live = session_of(request), _live(request)
    if session.identity.pools and live.reachable:
        return _draw(request, template, await session.client.overview.get(), is_whole=False)
    whole = not session.identity.pools
    return _draw(request, template, live.picture if whole else None, is_whole=whole)


def _draw(request: Request, template: str, picture: Picture | None, *, is_whole: bool = True) -> Response:
    live = _live(request)
    return render(
        request,
        template,
        picture=picture,
        standing=_standing(live, picture),
        folding=_folding(picture.coalescing) if picture else [],
        newest=json.dumps(live.series.rows(NEWEST)) if is_whole else "[]",
        is_whole=is_whole,
        subject=subject,
    )


def _packed(request: Request, name: str, media_type: str, make: Callable[[], bytes | memoryview]) -> Response:
    """Made and packed once for all; who takes no gzip gets it as it is."""
    if "gzip" in request.headers.get("accept-encoding", ""):
        body = _live(request).once(f"{name}.gz", lambda: gzip.compress(_plain(request, name, make), QUICK))
        return Response(body, media_type=media_type, headers={"content-encoding": "gzip", "vary": "accept-encoding"})
    return Response(_plain(request, name, make), media_type=media_type)


def _plain(request: Request, name: str, make: Callable[[], bytes | memoryview]) -> bytes:
    return _live(request).once(name, lambda: bytes(make()))


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


def _standing(live: Live, picture: Picture | None) -> str:
    if not live.reachable or picture is None:
        return "unreachable"
    return "idle" if picture.is_idle else "active"


def _folding(coalescing: Sequence[Coalescing]) -> list[Folding]:
    """By kind, those with the most tasks first."""
    kinds = dict.fromkeys(each.kind for each in coalescing)
    of = {kind: [each for each in coalescing if each.kind == kind] for kind in kinds}
    found = [Folding(kind, len(tasks), sum(each.joined for each in tasks)) for kind, tasks in of.items()]
    return sorted(found, key=lambda each: -each.tasks)


def subject(name: str) -> Subject:
    """`tasks/12` as "task 12", with its page."""
    collection, _, last = name.partition("/")
    path = PLACES.get(collection, "")
    return Subject(f"{collection.removesuffix('s')} {last}", path + last if path.endswith("/") else path)


ROUTES = (Route("/", page), Route("/overview/panel", panel), Route("/overview/series", series))
NAVS = (Nav("/", "Overview"),)
