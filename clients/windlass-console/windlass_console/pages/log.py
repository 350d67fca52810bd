"""The live log of a task: its page, what was written so far, what is written from now on, and all of it as a file."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from sse_starlette import ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route
from windlass_client import (
    Client,
    OutputWritten,
    State,
    StateChanged,
    Stream,
    Unauthenticated,
    Unavailable,
    WindlassError,
)

from windlass_console.event_streams import event_stream
from windlass_console.harmless import Plain
from windlass_console.rendering import Nav, render, session_of

AGAIN_MS = 1000
CHUNKS = 1000
LAST_SEQUENCE = 2**63 - 1
SEQUENCE = re.compile("[0-9]{1,19}")
CLOSED = "CLIENT_CLOSED"
"""What ends the stream of a session that has ended."""
SIGNED_OUT = "You are signed out: load the page again."
STREAMS = {Stream.STDERR: 2}
"""The number of a stream in what the page's script reads; everything else is 1."""


async def page(request: Request) -> Response:
    task = await session_of(request).client.get_task(request.path_params["id"])
    return render(request, "log/page.html", task=task)


async def written(request: Request) -> Response:
    """A page of what was written: `{"chunks": […], "next": the word for the next page, or ""}`; see `_chunk`."""
    found = await session_of(request).client.output_page(
        request.path_params["id"], page_size=CHUNKS, page_token=request.query_params.get("page", "")
    )
    is_small = "gzip" in request.headers.get("accept-encoding", "")
    headers = {"vary": "accept-encoding"} | ({"content-encoding": "gzip"} if is_small else {})
    body = await asyncio.to_thread(_body, found.items, found.next_page_token, is_small)
    return Response(body, media_type="application/json", headers=headers)


async def stream(request: Request) -> Response:
    """What is written from now on, as events: `output`, `state`, at last `end`, or `trouble` in words."""
    client, id = session_of(request).client, request.path_params["id"]
    await client.get_task(id)
    asked = (request.query_params.get("after", ""), request.headers.get("last-event-id", ""))
    after = max(int(each) if SEQUENCE.fullmatch(each) else 0 for each in asked)
    return event_stream(_events(client, id, min(after, LAST_SEQUENCE)))


async def download(request: Request) -> Response:
    """All that was written; without colours and commands for a terminal, or with ?raw=1 to the byte."""
    client, id = session_of(request).client, request.path_params["id"]
    await client.get_task(id)
    is_raw = request.query_params.get("raw") == "1"
    name = f'attachment; filename="task-{id}{"-raw" if is_raw else ""}.log"'
    return StreamingResponse(
        _raw(client, id) if is_raw else _plain(client, id),
        media_type="text/plain; charset=utf-8",
        headers={"content-disposition": name, "content-encoding": "identity"},
    )


async def _events(client: Client, id: int, after: int) -> AsyncIterator[ServerSentEvent]:
    yield ServerSentEvent(comment="open", retry=AGAIN_MS)
    try:
        async with aclosing(client.watch(id, after)) as events:
            async for event in events:
                if isinstance(event, OutputWritten):
                    yield ServerSentEvent(json.dumps(_chunk(event)), event="output", id=str(event.sequence))
                elif isinstance(event, StateChanged):
                    yield ServerSentEvent(json.dumps(_state(event.state)), event="state", id=str(event.sequence))
    except WindlassError as error:
        yield ServerSentEvent(json.dumps(_trouble(error)), event="trouble")
        return
    yield ServerSentEvent("{}", event="end")


def _trouble(error: WindlassError) -> dict[str, Any]:
    """`again`: whether another try may mend it."""
    if isinstance(error, Unauthenticated) or error.reason == CLOSED:
        return {"words": SIGNED_OUT, "again": False}
    return {"words": str(error), "again": isinstance(error, Unavailable)}


def _body(chunks: tuple[OutputWritten, ...], following: str, is_small: bool) -> bytes:
    body = json.dumps({"chunks": [_chunk(each) for each in chunks], "next": following}).encode()
    return gzip.compress(body, 1) if is_small else body


def _chunk(event: OutputWritten) -> list[Any]:
    """Sequence, attempt, milliseconds since 1970, stream, bytes left out before it, bytes in base64."""
    return [
        event.sequence,
        event.attempt,
        round(event.time.timestamp() * 1000) if event.time else 0,
        STREAMS.get(event.stream, 1),
        event.dropped,
        base64.b64encode(event.data).decode(),
    ]


def _state(state: State) -> dict[str, Any]:
    return {"state": state, "final": state.final}


async def _raw(client: Client, id: int) -> AsyncIterator[bytes]:
    async with aclosing(client.read_output(id, page_size=CHUNKS)) as chunks:
        async for chunk in chunks:
            yield chunk.data


async def _plain(client: Client, id: int) -> AsyncIterator[bytes]:
    """A second attempt and later ones begin with a line that says so; what the cap left out is said where it was."""
    plain: dict[Stream, Plain] = {}
    attempt, is_at_start = 0, True
    async with aclosing(client.read_output(id, page_size=CHUNKS)) as chunks:
        async for chunk in chunks:
            words = f"… {chunk.dropped:,} bytes of output left out here\n" if chunk.dropped else ""
            if chunk.attempt != attempt:
                for each in plain.values():
                    if rest := each.end():
                        is_at_start = rest.endswith(b"\n")
                        yield rest
                plain = {each: Plain() for each in Stream}
                words = (f"――― attempt {chunk.attempt} ―――\n" if attempt else "") + words
                attempt = chunk.attempt
            text = plain[chunk.stream].feed(chunk.data)
            yield ("" if is_at_start or not words else "\n").encode() + words.encode() + text
            is_at_start = text.endswith(b"\n") if text else is_at_start or bool(words)
    for each in plain.values():
        yield each.end()


ROUTES: tuple[BaseRoute, ...] = (
    Route("/tasks/{id:int}/log", page),
    Route("/tasks/{id:int}/log/written", written),
    Route("/tasks/{id:int}/log/stream", stream),
    Route("/tasks/{id:int}/log/download", download),
)
NAVS: tuple[Nav, ...] = ()
