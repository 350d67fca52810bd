"""The form of a schedule: make one, change one, and see while typing when it would come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any
from zoneinfo import available_timezones

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from windlass_client import Aborted, AlreadyExists, InvalidArgument, Schedule

from windlass_console.problems import problem
from windlass_console.rendering import may_change, render, session_of
from windlass_console.schedule_form import Typed, Wrong, field_of, typed_of

Handler = Callable[[Request], Awaitable[Response]]
STAND_IN = ("ExecuteScript", {"script": "true"})
"""Asked about while somebody types the timing: the server looks at the timing first, and then at what is made."""


ZONES = sorted(
    zone
    for zone in available_timezones()
    if "/" in zone and not zone.startswith(("Etc/", "posix/", "right/", "SystemV/"))
)


async def new(request: Request) -> Response:
    return await _form(request, Typed(kind=request.query_params.get("kind", "")))


async def create(request: Request) -> Response:
    typed = Typed.read(await request.form())
    try:
        made = await session_of(request).client.schedules.create(typed.schedule())
    except (Wrong, InvalidArgument, AlreadyExists) as error:
        return await _form(request, typed, field_of(error))
    return _to(request, made)


async def edit(request: Request) -> Response:
    schedule = await session_of(request).client.schedules.get(request.path_params["name"])
    return await _form(request, typed_of(schedule), before=schedule)


async def change(request: Request) -> Response:
    schedules = session_of(request).client.schedules
    before = await schedules.get(request.path_params["name"])
    typed = Typed.read(await request.form(), name=before.name)
    try:
        made = await schedules.update(typed.schedule())
    except (Wrong, InvalidArgument, Aborted) as error:
        return await _form(request, typed, field_of(error), before=before)
    return _to(request, made)


async def preview(request: Request) -> Response:
    """When it would come, in words, and its next ticks; or what is wrong with the timing."""
    typed = Typed.read(request.query_params, name=f"preview-{token_hex(8)}")
    if not typed.cron and not typed.interval:
        return render(request, "schedules/preview.html", coming=None, wrong="")
    kind, payload = STAND_IN
    try:
        timing = Schedule(typed.name, kind, payload, **typed.timing())
        coming = await session_of(request).client.schedules.create(timing, dry_run=True)
    except (Wrong, InvalidArgument) as error:
        field, words = field_of(error)
        if field in ("kind", "payload", "pool"):
            words = "The next runs are shown once it is saved."
        return render(request, "schedules/preview.html", coming=None, wrong=words)
    return render(request, "schedules/preview.html", coming=coming, wrong="")


async def _form(
    request: Request, typed: Typed, wrong: tuple[str, str] = ("", ""), before: Schedule | None = None
) -> Response:
    cluster = session_of(request).client.cluster
    kinds, pools = await asyncio.gather(cluster.kinds(), cluster.pools())
    facts: dict[str, Any] = {"typed": typed, "wrong_field": wrong[0], "wrong": wrong[1], "before": before}
    known = [one for one in kinds if one.role and may_change(request, one.role)]
    return render(
        request, "schedules/form.html", status=422 if wrong[1] else 200, kinds=known, pools=pools, zones=ZONES, **facts
    )


def _to(request: Request, schedule: Schedule) -> Response:
    request.app.state.live.tell("overview")
    return RedirectResponse(f"{request.app.state.settings.prefix}/schedules/{schedule.name}", 303)


def _for_operators(handler: Handler) -> Handler:
    async def checked(request: Request) -> Response:
        if may_change(request):
            return await handler(request)
        return problem(request, 403, "Your role does not allow this", "Schedules are made and changed by operators.")

    return checked


ROUTES: tuple[BaseRoute, ...] = (
    # Names of schedules are one part of a path without such a slash, so none of them is hidden by these.
    Route("/schedules/new/form", _for_operators(new)),
    Route("/schedules/new/form", _for_operators(create), methods=["POST"]),
    Route("/schedules/new/preview", _for_operators(preview)),
    Route("/schedules/{name}/edit", _for_operators(edit)),
    Route("/schedules/{name}/edit", _for_operators(change), methods=["POST"]),
)
