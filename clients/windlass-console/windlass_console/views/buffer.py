"""Buffer: each site now and over time, its dead letters with what can be done about them, and what was lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from windlass_client import WindlassError

from windlass_console.problems import problem
from windlass_console.rendering import render, session_of
from windlass_console.views import View

LETTERS = 50
FILTERS = ("site", "endpoint", "key", "error")
AWAY = ("redis away", "stopped", "database away")


async def facts(request: Request) -> dict[str, Any]:
    """Sites from the picture; letters and gaps are asked for, side by side, and one that is away hides no other."""
    call = session_of(request).client.operations.call
    query = request.query_params
    matching = {name: query[name] for name in FILTERS if query.get(name)}
    found: Sequence[Any] = await asyncio.gather(
        call("buffer.dead", matching | {"after": query.get("after", ""), "limit": LETTERS}),
        call("buffer.gaps", {}),
        return_exceptions=True,
    )
    letters, gaps = found
    return {
        **_listed("letters", letters),
        **_listed("gaps", gaps),
        "matching": matching,
        "narrowed": any(name != "site" for name in matching),
        "next_letter": _place(letters),
        "sites": sites(request),
        "away": AWAY,
    }


def sites(request: Request) -> list[dict[str, Any]]:
    """Their reports, as the section of the overview has them."""
    picture = request.app.state.live.picture
    data = next((each.data for each in picture.sections if each.name == "buffer"), None) if picture else None
    found: list[dict[str, Any]] = data.get("sites", []) if isinstance(data, dict) else []
    return found


async def now(request: Request) -> Response:
    """The table of sites."""
    return render(request, "plugins/buffer_sites.html", sites=sites(request), away=AWAY)


async def dead(request: Request) -> Response:
    """The dead letters that match, and the gaps."""
    return render(request, "plugins/buffer_letters.html", **await facts(request))


async def letter(request: Request) -> Response:
    """A transaction whole."""
    asked = {"site": request.path_params["site"], "id": request.path_params["id"]}
    try:
        found = await session_of(request).client.operations.call("buffer.show", asked)
    except WindlassError as error:
        if error.code != "FAILED_PRECONDITION":
            raise
        return problem(request, 404, "There is no such transaction", str(error))
    return render(request, "plugins/letter.html", letter=found)


def _listed(name: str, found: list[Any] | BaseException) -> dict[str, Any]:
    """What a site that does not answer says stands where its lines would."""
    if isinstance(found, WindlassError):
        return {name: [], f"{name}_wrong": str(found)}
    if isinstance(found, BaseException):
        raise found
    return {name: found, f"{name}_wrong": ""}


def _place(letters: list[dict[str, Any]] | BaseException) -> str:
    """Where the next page begins; empty when this was the last."""
    if isinstance(letters, BaseException) or len(letters) < LETTERS:
        return ""
    return f"{letters[-1]['site']}/{letters[-1]['id']}"


VIEW = View(
    "buffer",
    "plugins/buffer.html",
    facts,
    covers=frozenset({"status", "dead", "count", "show", "gaps"}),
    routes=(
        Route("/buffer/sites", now),
        Route("/buffer/letters", dead),
        Route("/buffer/letters/{site}/{id}", letter),
    ),
    styles=("vendor/uPlot.min.css",),
    scripts=("vendor/uPlot.iife.min.js", "plugins.js"),
)
