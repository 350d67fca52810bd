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
from windlass_console.reasons import Question, act, ask, is_fragment
from windlass_console.rendering import Nav, render, session_of

LISTED = 50
TICKS_LISTED = 25


async def page(request: Request) -> Response:
    token = request.query_params.get("page", "")
    found = await session_of(request).client.schedules.page(page_size=LISTED, page_token=token)
    template = "schedules/part.html" if is_fragment(request) else "schedules/page.html"
    return render(request, template, found=found, token=token, due_in=due_in)


async def one(request: Request) -> Response:
    """With a page of its ledger."""
    name, token = request.path_params["name"], request.query_params.get("page", "")
    schedules = session_of(request).client.schedules
    schedule, ticks = await asyncio.gather(
        schedules.get(name), schedules.tick_page(name, page_size=TICKS_LISTED, page_token=token)
    )
    template = "schedules/one_part.html" if is_fragment(request) else "schedules/one.html"
    return render(request, template, schedule=schedule, ticks=ticks, token=token, is_missed=is_missed, due_in=due_in)


def due_in(schedules: Iterable[Schedule]) -> str:
    """Seconds until the first of them comes; empty when none does.  No time of day: browsers' clocks differ."""
    coming = [schedule.next_time for schedule in schedules if schedule.next_time]
    return f"{max((min(coming) - datetime.now(UTC)).total_seconds(), 0):.6f}" if coming else ""


def is_missed(tick: Tick) -> bool:
    """Nobody was there when it was due, and nothing was made for it later."""
    return tick.outcome is TickOutcome.SKIPPED and tick.reason.startswith("missed")


async def ask_run(request: Request) -> Response:
    return ask(request, _run(_name(request)))


async def ask_pause(request: Request) -> Response:
    return ask(request, _pause(_name(request)))


async def ask_resume(request: Request) -> Response:
    return ask(request, _resume(_name(request)))


async def ask_delete(request: Request) -> Response:
    return ask(request, _delete(_name(request)))


async def run(request: Request) -> Response:
    """The dialog's request id makes one task of a double click."""
    name, schedules = _name(request), session_of(request).client.schedules
    request_id = str((await request.form()).get("request_id", ""))

    async def change(_: str) -> str:
        return f"Schedule {name} made task {(await schedules.run(name, request_id or None)).id}"

    return await act(request, _run(name), change)


async def pause(request: Request) -> Response:
    name, schedules = _name(request), session_of(request).client.schedules

    async def change(reason: str) -> str:
        return f"Schedule {(await schedules.pause(name, reason)).name} is paused"

    return await act(request, _pause(name), change)


async def resume(request: Request) -> Response:
    name, schedules = _name(request), session_of(request).client.schedules

    async def change(reason: str) -> str:
        return f"Schedule {(await schedules.resume(name, reason)).name} is active again"

    return await act(request, _resume(name), change)


async def delete(request: Request) -> Response:
    """It leads back to the list: the page of the schedule is no more."""
    name, schedules = _name(request), session_of(request).client.schedules

    async def change(_: str) -> str:
        await schedules.delete(name)
        return f"Schedule {name} is deleted"

    answer = await act(request, _delete(name), change)
    if answer.status_code == 200:
        answer.headers["hx-redirect"] = f"{request.app.state.settings.prefix}/schedules"
    return answer


def _run(name: str) -> Question:
    words = "Its task is made at once, paused or not, whatever still runs of it."
    return Question(f"Run {name} now?", words, "Run now", f"/schedules/{name}/run", has_reason=False)


def _pause(name: str) -> Question:
    words = "Every tick is skipped from now on, until somebody resumes it. What runs goes on."
    return Question(f"Pause schedule {name}?", words, "Pause", f"/schedules/{name}/pause")


def _resume(name: str) -> Question:
    words = "It goes on with the next tick; those of the pause stay skipped."
    return Question(f"Resume schedule {name}?", words, "Resume", f"/schedules/{name}/resume")


def _delete(name: str) -> Question:
    words = "It makes no more tasks. Its ledger and the tasks it made stay. This can't be undone."
    path = f"/schedules/{name}/delete"
    return Question(f"Delete schedule {name}?", words, "Delete", path, is_danger=True, has_reason=False)


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    return name


ROUTES: tuple[BaseRoute, ...] = (
    Route("/schedules", page),
    *scheduling.ROUTES,
    Route("/schedules/{name}", one),
    Route("/schedules/{name}/run", ask_run),
    Route("/schedules/{name}/run", run, methods=["POST"]),
    Route("/schedules/{name}/pause", ask_pause),
    Route("/schedules/{name}/pause", pause, methods=["POST"]),
    Route("/schedules/{name}/resume", ask_resume),
    Route("/schedules/{name}/resume", resume, methods=["POST"]),
    Route("/schedules/{name}/delete", ask_delete),
    Route("/schedules/{name}/delete", delete, methods=["POST"]),
)
NAVS = (Nav("/schedules", "Schedules", is_whole=True),)
