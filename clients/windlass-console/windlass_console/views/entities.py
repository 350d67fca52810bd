"""Entities: what is wrong with the pages of countries and ASNs, having it mended, and the pages, drawn for people."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from windlass_client import Client, FailedPrecondition

from windlass_console.problems import problem
from windlass_console.rendering import render, session_of
from windlass_console.views import View

COUNTRY = re.compile(r"[A-Za-z]{2}")
ASN = re.compile(r"(?:[Aa][Ss])?(\d{1,10})")
TARGET = re.compile(r"public/(countries|asns)/([A-Z]{2}|\d+)\.json")
FINDINGS, LISTED, LINES = 50, 100, 50
SORTS = {"countries": "Countries", "asns": "ASNs", "feeds": "Feeds"}


async def facts(request: Request) -> dict[str, Any]:
    """Of the first page: findings as the address asks for them, and the last moves between health classes."""
    client, query = session_of(request).client, request.query_params
    asked = {"kind": query.get("kind", ""), "target": query.get("target", ""), "after": _number(query.get("after"))}
    try:
        found, moved = await asyncio.gather(
            client.operations.call("entities.findings", asked | {"limit": FINDINGS}), _transitions(client)
        )
    except FailedPrecondition as error:
        return {"found": None, "why": str(error), "asked": asked, "moved": [], "repair_of": repair_of, "sorts": SORTS}
    return {"found": found, "why": "", "asked": asked, "moved": moved, "repair_of": repair_of, "sorts": SORTS}


async def findings(request: Request) -> Response:
    """The part of the page that changes."""
    return render(request, "plugins/findings.html", **await facts(request))


async def listing(request: Request) -> Response:
    """Countries, ASNs or feeds, by code, number or name; `q` is a part of them."""
    sort, query = _sort(request), request.query_params
    asked = {"of": sort, "contains": query.get("q", "").strip(), "after": query.get("after", ""), "limit": LISTED}
    listed = await session_of(request).client.operations.call("entities.list", asked)
    template = "plugins/entity_rows.html" if query.get("part") else "plugins/entity_list.html"
    place = f"{request.app.state.settings.prefix}/entities/{sort}?{urlencode({'q': asked['contains']})}"
    headers = {"hx-replace-url": place} if query.get("part") else {}
    return render(request, template, headers=headers, sort=sort, sorts=SORTS, asked=asked, listed=listed)


async def find(request: Request) -> Response:
    """What somebody typed leads to the page that it names, else to what begins like it."""
    wanted = request.query_params.get("q", "").strip()
    prefix = request.app.state.settings.prefix
    if COUNTRY.fullmatch(wanted):
        return RedirectResponse(f"{prefix}/entities/countries/{wanted.upper()}", 303)
    if number := ASN.fullmatch(wanted):
        return RedirectResponse(f"{prefix}/entities/asns/{int(number[1])}", 303)
    to = Request(request.scope).url.replace(path=f"{prefix}/entities/asns", query="")
    return RedirectResponse(to.include_query_params(q=wanted), 303)


async def show(request: Request) -> Response:
    """One page, as it is published."""
    sort, name = _sort(request), request.path_params["name"]
    if sort == "asns" and not ASN.fullmatch(name):
        return problem(request, 404, "There is no such ASN", "An ASN is a number, such as 64500.")
    which = {"countries": {"country": name}, "asns": {"asn": _number(name)}, "feeds": {"feed": name}}[sort]
    try:
        shown = await session_of(request).client.operations.call("entities.show", which)
    except FailedPrecondition as error:
        return problem(request, 404, "There is no such page", str(error))
    template = "plugins/feed.html" if sort == "feeds" else "plugins/entity.html"
    entity, whole = json.loads(shown["text"]), request.query_params.get("whole", "")
    return render(
        request,
        template,
        sort=sort,
        name=name,
        sorts=SORTS,
        shown=shown,
        entity=entity,
        whole=whole,
        lines=LINES,
        which=_selection(sort, name),
    )


def repair_of(finding: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """The operation that mends it, and its argument: as little as possible is made anew."""
    if named := TARGET.fullmatch(finding["target"]):
        return "rebuild", _selection(named[1], named[2])
    if finding["target"] and "/" not in finding["target"]:
        return "rebuild", _selection("feeds", finding["target"])
    return "repair", {}


def _sort(request: Request) -> str:
    sort: str = request.path_params["sort"]
    if sort not in SORTS:
        raise HTTPException(404, f"There is no page of {sort}")
    return sort


def _selection(sort: str, name: str) -> dict[str, Any]:
    return {sort: [int(ASN.fullmatch(name)[1]) if sort == "asns" else name]}  # type: ignore[index]


async def _transitions(client: Client) -> list[dict[str, Any]]:
    """None yet where nothing is published."""
    try:
        moved: list[dict[str, Any]] = (await client.operations.call("entities.transitions"))["transitions"]
    except FailedPrecondition:
        return []
    return moved


def _number(text: str | None) -> int:
    found = ASN.fullmatch(text or "")
    return int(found[1]) if found else 0


VIEW = View(
    "entities",
    "plugins/entities.html",
    facts,
    covers=frozenset({"findings", "show", "transitions", "list"}),
    routes=(
        Route("/entities/findings", findings),
        Route("/entities/find", find),
        Route("/entities/{sort}", listing),
        Route("/entities/{sort}/{name}", show),
    ),
)
