"""Schedules: when what is made, what became of it, and run, pause, resume, delete."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Schedule, Tick, TickOutcome

from windlass_console.pages import scheduling
from windlass_console.paging import pages_of
from windlass_console.reasons import Answer, Question, asked
from windlass_console.rendering import Nav, render_live, session_of

LISTED = 50
TICKS_LISTED = 25
RUN = Question(
    "Run {name} now?",
    "Its task is made at once, paused or not, whatever still runs of it.",
    "Run now",
    has_reason=False,
)
PAUSE = Question(
    "Pause schedule {name}?",
    "Every tick is skipped from now on, until somebody resumes it. What runs goes on.",
    "Pause",
)
RESUME = Question(
    "Resume schedule {name}?", "It goes on with the next tick; those of the pause stay skipped.", "Resume"
)
DELETE = Question(
    "Delete schedule {name}?",
    "It makes no more tasks. Its ledger and the tasks it made stay. This can't be undone.",
    "Delete",
    is_danger=True,
    has_reason=False,
    leads_to="/schedules",
)
"""The page of the schedule is no more."""


async def page(request: Request) -> Response:
    token = request.query_params.get("page", "")
    found = await session_of(request).client.schedules.page(page_size=LISTED, page_token=token)
    pages = pages_of(request, token, found.next_page_token)
    facts = {"schedules": found.items, "pages": pages, "token": token, "is_missed": is_missed, "due_in": due_in}
    return render_live(request, "schedules/page.html", "schedules/part.html", **facts)


async def one(request: Request) -> Response:
    """With a page of its ledger."""
    name, token = request.path_params["name"], request.query_params.get("page", "")
    schedules = session_of(request).client.schedules
    schedule, ticks = await asyncio.gather(
        schedules.get(name), schedules.tick_page(name, page_size=TICKS_LISTED, page_token=token)
    )
    pages = pages_of(request, token, ticks.next_page_token)
    facts = {"schedule": schedule, "ticks": ticks.items, "pages": pages, "is_missed": is_missed, "due_in": due_in}
    return render_live(request, "schedules/one.html", "schedules/one_part.html", token=token, **facts)


def due_in(schedules: Iterable[Schedule]) -> str:
    """Seconds until the first of them comes; empty when none does.  No time of day: browsers' clocks differ."""
    coming = [schedule.next_time for schedule in schedules if schedule.next_time]
    return f"{max((min(coming) - datetime.now(UTC)).total_seconds(), 0):.6f}" if coming else ""


def is_missed(tick: Tick) -> bool:
    """Nobody was there when it was due, and nothing was made for it later."""
    return tick.outcome is TickOutcome.SKIPPED and tick.reason.startswith("missed")


async def run(request: Request, answer: Answer) -> str:
    """The dialog's request id makes one task of a double click."""
    name = request.path_params["name"]
    receipt = await session_of(request).client.schedules.run(name, answer.request_id)
    return f"Schedule {name} made task {receipt.id}"


async def pause(request: Request, answer: Answer) -> str:
    schedule = await session_of(request).client.schedules.pause(request.path_params["name"], answer.reason)
    return f"Schedule {schedule.name} is paused"


async def resume(request: Request, answer: Answer) -> str:
    schedule = await session_of(request).client.schedules.resume(request.path_params["name"], answer.reason)
    return f"Schedule {schedule.name} is active again"


async def delete(request: Request, _: Answer) -> str:
    await session_of(request).client.schedules.delete(request.path_params["name"])
    return f"Schedule {request.path_params['name']} is deleted"


ROUTES: tuple[BaseRoute, ...] = (
    Route("/schedules", page),
    *scheduling.ROUTES,
    Route("/schedules/{name}", one),
    *asked("/schedules/{name}/run", RUN, run),
    *asked("/schedules/{name}/pause", PAUSE, pause),
    *asked("/schedules/{name}/resume", RESUME, resume),
    *asked("/schedules/{name}/delete", DELETE, delete),
)
NAVS = (Nav("/schedules", "Schedules", is_whole=True),)
