"""Pools and kinds: how much is worked on at once, what there is to be done, and who stopped what."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Kind, PermissionDenied

from windlass_console.kind_fields import fields_of
from windlass_console.reasons import Question, act, ask, is_fragment, where
from windlass_console.rendering import Nav, may_change, render, session_of

MOST_SLOTS = 100_000


async def page(request: Request) -> Response:
    cluster = session_of(request).client.cluster
    pools, kinds = await asyncio.gather(cluster.pools(), _kinds(request))
    template = "pools/part.html" if is_fragment(request) else "pools/page.html"
    return render(request, template, pools=pools, kinds=kinds, where=where, may_start=_starts(request))


async def kind(request: Request) -> Response:
    """One kind, with the fields of its payload."""
    found = await session_of(request).client.cluster.kind(request.path_params["name"])
    template = "pools/kind_part.html" if is_fragment(request) else "pools/kind.html"
    fields = fields_of(found.payload_schema)
    return render(request, template, kind=found, fields=fields, where=where, may_start=_starts(request))


async def _kinds(request: Request) -> list[Kind] | None:
    """None for a token that is for some pools only: kinds concern the whole cluster."""
    try:
        return await session_of(request).client.cluster.kinds()
    except PermissionDenied:
        return None


def _starts(request: Request) -> Callable[[Kind], bool]:
    return lambda kind: bool(kind.nodes and kind.role) and may_change(request, kind.role)


def _pause(what: str, name: str) -> Question:
    words = "Nothing more of it starts until somebody resumes it. What runs goes on; what waits keeps its place."
    return Question(f"Pause {what} {name}?", words, "Pause", f"/{what}s/{quote(name)}/pause")


def _resume(what: str, name: str) -> Question:
    words = "What waits may start again at once."
    return Question(f"Resume {what} {name}?", words, "Resume", f"/{what}s/{quote(name)}/resume")


def _resize(name: str, slots: int) -> Question:
    words = "How many of its tasks may run at once, over all nodes. What runs beyond fewer slots runs on."
    action = f"/pools/{quote(name)}/slots"
    return Question(
        f"Resize pool {name}", words, "Set slots", action, number=slots, number_label="Slots", most=MOST_SLOTS
    )


async def ask_pause(request: Request) -> Response:
    return ask(request, _pause(*_what(request)))


async def ask_resume(request: Request) -> Response:
    return ask(request, _resume(*_what(request)))


async def ask_slots(request: Request) -> Response:
    pool = await session_of(request).client.cluster.pool(request.path_params["name"])
    return ask(request, _resize(pool.name, pool.slots))


async def pause(request: Request) -> Response:
    what, name = _what(request)
    cluster = session_of(request).client.cluster
    change = cluster.pause_pool if what == "pool" else cluster.pause_kind
    return await act(request, _pause(what, name), _said(change, what, name, "is paused"))


async def resume(request: Request) -> Response:
    what, name = _what(request)
    cluster = session_of(request).client.cluster
    change = cluster.resume_pool if what == "pool" else cluster.resume_kind
    return await act(request, _resume(what, name), _said(change, what, name, "is active again"))


async def slots(request: Request) -> Response:
    name, form = request.path_params["name"], await request.form()
    typed, cluster = str(form.get("number", "")).strip(), session_of(request).client.cluster
    if not (typed.isascii() and typed.isdecimal()) or int(typed) > MOST_SLOTS:
        wrong = f"Slots are a whole number from 0 to {MOST_SLOTS:,}."
        return ask(request, _resize(name, 0), wrong_number=wrong, typed=typed, reason=str(form.get("reason", "")))

    async def change(reason: str) -> str:
        pool = await cluster.resize(name, int(typed), reason)
        return f"Pool {pool.name} has {pool.slots} {'slot' if pool.slots == 1 else 'slots'} now"

    return await act(request, _resize(name, 0), change, typed=typed)


def _said(
    change: Callable[[str, str], Awaitable[object]], what: str, name: str, done: str
) -> Callable[[str], Awaitable[str]]:
    async def doing(reason: str) -> str:
        await change(name, reason)
        return f"{what.capitalize()} {name} {done}"

    return doing


def _what(request: Request) -> tuple[str, str]:
    """`pool` or `kind`, and its name."""
    path = request.scope["path"].removeprefix(request.app.state.settings.prefix)
    return ("pool" if path.startswith("/pools/") else "kind"), request.path_params["name"]


ROUTES: tuple[BaseRoute, ...] = (
    Route("/pools", page),
    Route("/pools/{name:path}/slots", ask_slots),
    Route("/pools/{name:path}/slots", slots, methods=["POST"]),
    *(Route(f"/{what}s/{{name:path}}/pause", ask_pause) for what in ("pool", "kind")),
    *(Route(f"/{what}s/{{name:path}}/pause", pause, methods=["POST"]) for what in ("pool", "kind")),
    *(Route(f"/{what}s/{{name:path}}/resume", ask_resume) for what in ("pool", "kind")),
    *(Route(f"/{what}s/{{name:path}}/resume", resume, methods=["POST"]) for what in ("pool", "kind")),
    Route("/kinds/{name:path}", kind),
)
NAVS = (Nav("/pools", "Pools and kinds"),)
