"""`/active`: what runs and what waits, live; search, filter and sort it, interrupt and reprioritize it.

/active          the page
/active/list     search, chips and rows, for a change of what is asked; the address becomes that of the page
/active/rows     the rows alone, when the queue changed
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Client, Page, Picture, State, Task, WindlassError

from windlass_console import filtering
from windlass_console.days import zone_of
from windlass_console.listing import SIZES, Asked
from windlass_console.rendering import Nav, render, session_of

COLUMNS = (
    ("origin", "Origin"),
    ("id", "ID"),
    ("state", "Status"),
    ("title", "Title"),
    ("create_time", "Created at"),
    ("start_time", "Started at"),
    ("retries", "Retry attempts"),
    ("priority", "Priority"),
    ("kind", "Type"),
)
AT_THE_FILTER = ("FILTER_INVALID", "FILTER_TOO_BROAD", "ORDER_INVALID")
CHOICES = {"state": ("PENDING", "RUNNING", "CANCELLING"), "origin": ("USER", "SYSTEM")}
WITHIN = ("create_time > ago(1h)", "create_time > ago(1d)", "create_time > ago(7d)")
LEVELS = ("priority >= 10", "(priority >= 5 AND priority < 10)", "priority < 5")
SUGGESTED = (
    *("state = RUNNING", "state = PENDING", "state = CANCELLING", "origin = USER", "origin = SYSTEM"),
    *("priority >= 10", "create_time > ago(1h)", "next_try_time > ago(0s)", "retries > 0", "title:", "message:"),
    *("initiator = ", "labels.", "payload.", "node:*", "stage = ", "trigger = ", "parent = ", "coalesce_key:*"),
)


@dataclass(frozen=True, slots=True)
class Chip:
    """`filter` is what the filter becomes with a click; `many` there are now, None when nobody knows."""

    label: str
    is_on: bool
    filter: str
    many: int | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """What there is to choose from."""

    kinds: tuple[str, ...] = ()
    pools: tuple[str, ...] = ()


async def page(request: Request) -> Response:
    return await _answer(request, "active/page.html")


async def region(request: Request) -> Response:
    """Search, chips and rows; with a wrong filter search and chips alone, so that the rows stay as they were."""
    return await _answer(request, "active/list.html")


async def rows(request: Request) -> Response:
    asked = Asked.of(request.query_params, zone_of(request))
    found = await _found(session_of(request).client, asked)
    states = _states(request, asked)
    return render(request, "active/rows.html", asked=asked, found=found, columns=COLUMNS, states=states, wrong="")


async def _answer(request: Request, template: str) -> Response:
    asked = _with_added(request, Asked.of(request.query_params, zone_of(request)))
    client, wrong, found = session_of(request).client, "", None
    choices, fetched = await asyncio.gather(_choices(request), _found(client, asked), return_exceptions=True)
    if isinstance(choices, BaseException):
        raise choices
    if isinstance(fetched, WindlassError) and fetched.reason in AT_THE_FILTER:
        wrong = str(fetched)
    elif isinstance(fetched, BaseException):
        raise fetched
    else:
        found = fetched
    headers = {} if template == "active/page.html" else _moves(request, asked)
    if wrong and headers:
        template, headers = "active/find.html", {"hx-retarget": "#find", "hx-reswap": "outerMorph"}
    facts = {"asked": asked, "found": found, "wrong": wrong, "choices": choices, "columns": COLUMNS, "sizes": SIZES}
    filters = {
        "states": _states(request, asked),
        "chips": _chips(asked),
        "others": _others(asked),
        "suggested": _suggested(choices),
    }
    return render(request, template, status=422 if wrong else 200, headers=headers, **facts, **filters)


async def _found(client: Client, asked: Asked) -> Page[Task]:
    return await client.task_page(
        filter=asked.matching, order_by=asked.order, page_size=asked.size, page_token=asked.page
    )


async def _choices(request: Request) -> Choices:
    """The pools of the console's own picture, which costs nothing; who is kept to some pools sees those only."""
    session, picture = session_of(request), request.app.state.live.picture
    pools = session.identity.pools or (tuple(pool.name for pool in picture.pools) if picture else ())
    return Choices(await request.app.state.kind_names.known(session.client), pools)


def _with_added(request: Request, asked: Asked) -> Asked:
    """With what was chosen from a list of types or pools."""
    for field in ("kind", "pool"):
        if value := request.query_params.get(field, ""):
            asked = replace(asked, filter=filtering.toggled_choice(asked.filter, field, value), page="")
    return asked


def _moves(request: Request, asked: Asked) -> dict[str, str]:
    """The address of the page.  While somebody goes on typing a search, it is one step back for all of it."""
    before = parse_qs(urlsplit(request.headers.get("hx-current-url", "")).query).get("q")
    header = "hx-replace-url" if before and asked.q and before != [asked.q] else "hx-push-url"
    return {header: f"{request.app.state.settings.prefix}/active{asked.query(page=asked.page)}"}


def _states(request: Request, asked: Asked) -> list[Chip]:
    many = _many(request)
    return [replace(chip, many=many.get(chip.label.upper())) for chip in _choosable(asked, "state")]


def _many(request: Request) -> dict[str, int]:
    """How many there are in a state, whatever is asked for, as the console's own picture says: nobody is asked."""
    picture: Picture | None = request.app.state.live.picture
    if picture is None or session_of(request).identity.pools:
        return {}
    pending = sum(pool.waiting for pool in picture.pools) + picture.deferred + picture.blocked
    if picture.active_count > len(picture.active):
        return {"PENDING": pending, "RUNNING": picture.active_count}
    running = sum(task.state is State.RUNNING for task in picture.active)
    return {"PENDING": pending, "RUNNING": running, "CANCELLING": picture.active_count - running}


def _choosable(asked: Asked, field: str) -> list[Chip]:
    on = filtering.chosen(asked.filter, field)
    return [
        Chip(value.capitalize(), value in on, filtering.toggled_choice(asked.filter, field, value))
        for value in CHOICES[field]
    ]


def _chips(asked: Asked) -> dict[str, list[Chip]]:
    """By the words of their group."""

    def one_of(rivals: tuple[str, ...], labels: tuple[str, ...]) -> list[Chip]:
        on = filtering.terms(asked.filter)
        return [
            Chip(label, term in on, filtering.toggled(asked.filter, term, rivals))
            for term, label in zip(rivals, labels, strict=True)
        ]

    return {
        "Priority": one_of(LEVELS, ("High", "Medium", "Low")),
        "Origin": _choosable(asked, "origin"),
        "Created within": one_of(WITHIN, ("1 hour", "1 day", "7 days")),
    }


def _others(asked: Asked) -> list[Chip]:
    """The terms of the filter that no chip above stands for: a click takes one out."""
    shown = {*LEVELS, *WITHIN}
    return [
        Chip(term, True, filtering.without(asked.filter, term))
        for term in filtering.terms(asked.filter)
        if term not in shown and not any(_all_shown(term, field, values) for field, values in CHOICES.items())
    ]


def _all_shown(term: str, field: str, values: tuple[str, ...]) -> bool:
    chosen = filtering.chosen(term, field)
    return bool(chosen) and set(chosen) <= set(values)


def _suggested(choices: Choices) -> list[str]:
    return [
        *SUGGESTED,
        *(f"kind = {filtering.literal(kind)}" for kind in choices.kinds),
        *(f"pool = {filtering.literal(pool)}" for pool in choices.pools),
    ]


ROUTES: tuple[BaseRoute, ...] = (
    Route("/active", page),
    Route("/active/list", region),
    Route("/active/rows", rows),
)
NAVS = (Nav("/active", "Active"),)
