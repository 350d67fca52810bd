"""Pools and kinds: how much is worked on at once, what there is to be done, and who stopped what."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Kind

from windlass_console.kind_fields import fields_of
from windlass_console.reasons import Answer, Number, Question, asked
from windlass_console.rendering import Nav, amount, may_change, render_live, session_of

MOST_SLOTS = 100_000
PAUSED = "Nothing more of it starts until somebody resumes it. What runs goes on; what waits keeps its place."
RESUMED = "What waits may start again at once."


async def page(request: Request) -> Response:
    cluster = session_of(request).client.cluster
    pools, kinds = await asyncio.gather(cluster.pools(), cluster.kinds())
    facts = {"pools": pools, "kinds": kinds, "may_start": _starts(request), "may_pause": _may_pause_kinds(request)}
    return render_live(request, "pools/page.html", "pools/part.html", **facts)


async def kind(request: Request) -> Response:
    """One kind, with the fields of its payload."""
    found = await session_of(request).client.cluster.kind(request.path_params["name"])
    facts = {
        "kind": found,
        "fields": fields_of(found.payload_schema),
        "may_start": _starts(request),
        "may_pause": _may_pause_kinds(request),
    }
    return render_live(request, "pools/kind.html", "pools/kind_part.html", **facts)


def _may_pause_kinds(request: Request) -> bool:
    """They concern the whole cluster, so not with a token for some pools."""
    return may_change(request) and not session_of(request).identity.pools


def _starts(request: Request) -> Callable[[Kind], bool]:
    return lambda kind: bool(kind.nodes and kind.role) and may_change(request, kind.role)


async def pause_pool(request: Request, answer: Answer) -> str:
    pool = await session_of(request).client.cluster.pause_pool(request.path_params["name"], answer.reason)
    return f"Pool {pool.name} is paused"


async def resume_pool(request: Request, answer: Answer) -> str:
    pool = await session_of(request).client.cluster.resume_pool(request.path_params["name"], answer.reason)
    return f"Pool {pool.name} is active again"


async def pause_kind(request: Request, answer: Answer) -> str:
    paused = await session_of(request).client.cluster.pause_kind(request.path_params["name"], answer.reason)
    return f"Kind {paused.name} is paused"


async def resume_kind(request: Request, answer: Answer) -> str:
    resumed = await session_of(request).client.cluster.resume_kind(request.path_params["name"], answer.reason)
    return f"Kind {resumed.name} is active again"


async def ask_slots(request: Request) -> Question:
    pool = await session_of(request).client.cluster.pool(request.path_params["name"])
    words = "How many of its tasks may run at once, over all nodes. What runs beyond fewer slots runs on."
    return Question(f"Resize pool {pool.name}", words, "Set slots", number=Number("Slots", pool.slots, MOST_SLOTS))


async def slots(request: Request, answer: Answer) -> str:
    cluster = session_of(request).client.cluster
    pool = await cluster.resize(request.path_params["name"], answer.number, answer.reason)
    return f"Pool {pool.name} has {amount(pool.slots, 'slot')} now"


ROUTES: tuple[BaseRoute, ...] = (
    Route("/pools", page),
    *asked("/pools/{name:path}/slots", ask_slots, slots),
    *asked("/pools/{name:path}/pause", Question("Pause pool {name}?", PAUSED, "Pause"), pause_pool),
    *asked("/pools/{name:path}/resume", Question("Resume pool {name}?", RESUMED, "Resume"), resume_pool),
    *asked("/kinds/{name:path}/pause", Question("Pause kind {name}?", PAUSED, "Pause"), pause_kind),
    *asked("/kinds/{name:path}/resume", Question("Resume kind {name}?", RESUMED, "Resume"), resume_kind),
    Route("/kinds/{name:path}", kind),
)
NAVS = (Nav("/pools", "Pools and kinds"),)
