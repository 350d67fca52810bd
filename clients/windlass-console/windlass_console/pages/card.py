"""The card of a task: what it is, what became of it, and what can be done with it; live until it has ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import uuid4

from sse_starlette import ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import Client, OutputWritten, Unauthenticated, WindlassError

from windlass_console.card_reading import Reading, hidden, read
from windlass_console.event_streams import event_stream
from windlass_console.masking import masked
from windlass_console.pages import steering
from windlass_console.problems import problem
from windlass_console.rendering import Nav, duration, json_text, render, session_of

LONGEST_JSON = 200_000
"""Characters of JSON that a page shows; the command line shows the rest."""


async def page(request: Request) -> Response:
    return await _show(request, "card/page.html")


async def fragment(request: Request) -> Response:
    """The part of the page that changes: all of it but the log and the payload."""
    return await _show(request, "card/body.html")


async def payload(request: Request) -> Response:
    """The payload as it is, secrets too, for who may operate."""
    if not session_of(request).may("operator"):
        return problem(request, 403, "Your role does not allow this", "Hidden values are shown to operators.")
    task = await session_of(request).client.get_task(request.path_params["id"])
    return render(request, "card/payload.html", **_payload(task.payload, task.payload))


async def events(request: Request) -> Response:
    """Tells the browser when to load the card again, from behind a sequence on, until the task has ended."""
    after = request.headers.get("last-event-id") or request.query_params.get("after", "0")
    sequence = int(after) if after.isdecimal() and len(after) < 20 else 0
    stream = _changes(session_of(request).client, request.path_params["id"], sequence)
    return event_stream(stream)


async def _changes(client: Client, id: int, after: int) -> AsyncIterator[ServerSentEvent]:
    try:
        async with aclosing(client.watch(id, after)) as happened:
            async for event in happened:
                if not isinstance(event, OutputWritten):
                    yield ServerSentEvent("", event="changed", id=str(event.sequence), retry=1000)
    except Unauthenticated:
        yield ServerSentEvent("", event="over")  # it loads the card once more, and is asked to sign in
    except WindlassError:
        return  # the browser comes back by itself, with the sequence it had last
    else:
        yield ServerSentEvent("", event="over")


async def _show(request: Request, template: str) -> Response:
    client = session_of(request).client
    whole = request.query_params.get("lines") == "all"
    reading = await read(client, request.path_params["id"], whole=whole)
    is_page = template == "card/page.html"
    shown, result = await asyncio.gather(
        hidden(client, reading.task.kind, reading.task.payload), hidden(client, reading.task.kind, reading.task.result)
    )
    facts: dict[str, Any] = {"reading": reading, "task": reading.task, "result": result, "all_lines": whole}
    facts |= {"trace_address": _trace(request, reading), "is_page": is_page, "request_id": uuid4}
    facts |= {"size": size, "shortened": shortened, "cut": cut, "hide": masked, "brief": brief}
    return render(request, template, **facts, **_payload(reading.task.payload, shown))


def _payload(value: Any, shown: Any) -> dict[str, Any]:
    """A script's text stands by itself: as JSON nobody could read it."""
    script = shown["script"] if isinstance(shown, dict) and isinstance(shown.get("script"), str) else ""
    rest = {name: inner for name, inner in shown.items() if name != "script"} if script else shown
    return {"script": script[:LONGEST_JSON], "payload": cut(rest), "has_hidden": shown != value}


def cut(value: Any) -> str:
    """JSON for people, and how much of it is left out."""
    text = json_text(value)
    left_out = len(text) - LONGEST_JSON
    return text if left_out <= 0 else f"{text[:LONGEST_JSON]}\n… {left_out:,} characters more"


def shortened(value: Any, longest: int = 200) -> str:
    """JSON on one line."""
    text = " ".join(json_text(value).split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def size(count: float | None) -> str:
    """Bytes: 512 bytes, 12.3 kB, 4.5 MB."""
    if not isinstance(count, int | float):
        return "–"
    if count < 1000:
        return f"{count:g} bytes"
    return f"{count / 1000:.1f} kB" if count < 1_000_000 else f"{count / 1_000_000:.1f} MB"


def brief(seconds: float | None) -> str:
    """As `duration`, and in milliseconds below a second: 12 ms."""
    return f"{max(seconds, 0) * 1000:.0f} ms" if seconds is not None and seconds < 1 else duration(seconds)


def _trace(request: Request, reading: Reading) -> str:
    pattern: str = request.app.state.settings.trace_url
    return pattern.replace("{trace_id}", reading.trace_id) if pattern and reading.trace_id else ""


ROUTES: tuple[BaseRoute, ...] = (
    Route("/tasks/{id:int}", page),
    Route("/tasks/{id:int}/card", fragment),
    Route("/tasks/{id:int}/payload", payload),
    Route("/tasks/{id:int}/events", events),
    *steering.ROUTES,
)
NAVS: tuple[Nav, ...] = ()
