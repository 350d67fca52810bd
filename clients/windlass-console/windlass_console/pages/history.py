"""History: what became of tasks, the newest first, by the days of who looks at it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from windlass_client import Card, DeadlineExceeded, InvalidArgument, Page, Task

from windlass_console.days import by_day, zone_of
from windlass_console.history_query import BY_KEY, ORDERS, ORIGINS, STATES, WITHIN, Asked
from windlass_console.rendering import Nav, render, session_of, when

SIZE = 50
AT_ONCE, NOT_TOO_OFTEN = "500ms", "2s"
FAR_SECONDS = 1.0
NOTHING: Page[Card] = Page((), "")


async def page(request: Request) -> Response:
    """The whole page.  A filter that can't be read is told at its field, with an empty list below."""
    asked, wrong, began = Asked.of(request.query_params), "", time.monotonic()
    kinds = asyncio.create_task(request.app.state.kind_names.known(session_of(request).client))
    try:
        found = await _found(request, asked, SIZE)
    except (InvalidArgument, DeadlineExceeded) as error:
        if error.reason == "PAGE_TOKEN_INVALID":
            return RedirectResponse(request.url.path + asked.but(), 303)
        found, wrong = NOTHING, _words(error)
    finally:
        seconds = time.monotonic() - began
        names = await kinds
    live_every = "" if wrong else _live_every(asked, seconds)
    facts = _facts(request, asked, found) | {"names": names, "wrong": wrong, "live_every": live_every}
    return render(request, "history/page.html", status=422 if wrong else 200, **facts)


async def cards(request: Request) -> Response:
    """The list alone, which the page loads again while things happen."""
    asked, began = Asked.of(request.query_params), time.monotonic()
    found = await _found(request, asked, SIZE)
    live_every = _live_every(asked, time.monotonic() - began)
    return render(request, "history/cards.html", wrong="", live_every=live_every, **_facts(request, asked, found))


async def ask(request: Request) -> Response:
    """The form: on to the address of what it asks for, or a word at its field, which leaves the list as it is.

    One card is asked for first: enough to know that the filter can be read.
    """
    asked = replace(Asked.of(request.query_params), page="")
    try:
        await _found(request, asked, 1)
    except (InvalidArgument, DeadlineExceeded) as error:
        return render(request, "history/field.html", status=422, asked=asked, wrong=_words(error))
    to = f"{request.app.state.settings.prefix}/history{asked.but()}"
    return Response(status_code=200, headers={"hx-redirect": to})


async def _found(request: Request, asked: Asked, size: int) -> Page[Card]:
    return await session_of(request).client.card_page(
        origin=asked.whose,
        filter=asked.conditions(zone_of(request)),
        order_by=asked.order,
        page_size=size,
        page_token=asked.page,
    )


def _facts(request: Request, asked: Asked, found: Page[Card]) -> dict[str, Any]:
    zone = zone_of(request)
    return {
        "asked": asked,
        "days": by_day(found.items, zone) if asked.order in BY_KEY else [],
        "cards": found.items,
        "next_page": found.next_page_token,
        "bulk": asked.bulk(zone),
        "took": took,
        "clock": clock,
        "ORIGINS": ORIGINS,
        "STATES": STATES,
        "WITHIN": WITHIN,
        "ORDERS": ORDERS,
    }


def _live_every(asked: Asked, seconds: float) -> str:
    """How often to look again while things happen; empty for never.

    Behind the first page nothing changes by itself; in an order that looks at everything, or with a filter for which
    the server had to look far (`seconds`), it would cost the server more than it tells the reader.
    """
    if asked.page or asked.order not in BY_KEY or seconds > FAR_SECONDS:
        return ""
    return NOT_TOO_OFTEN if asked.narrows else AT_ONCE


def _words(error: Exception) -> str:
    """What is wrong, in the server's words.  Raises what is not about the filter or the order."""
    if getattr(error, "reason", "") in ("FILTER_INVALID", "ORDER_INVALID", "FILTER_TOO_BROAD"):
        return str(error)
    raise error


def took(task: Task) -> float | None:
    """Seconds it took or takes; of one that was tried again from its creation, as a list knows its last start only."""
    begin = task.created if task.attempt > 1 and task.started else task.started
    return ((task.ended or datetime.now(UTC)) - begin).total_seconds() if begin else None


def clock(moment: datetime | None) -> Markup:
    """The time of day alone: the day stands above it."""
    return Markup(str(when(moment)).replace("<time ", '<time data-show="clock" ', 1))  # noqa: S704 - when escapes


ROUTES: tuple[BaseRoute, ...] = (
    Route("/history", page),
    Route("/history/cards", cards),
    Route("/history/ask", ask),
)
NAVS = (Nav("/history", "History"),)
