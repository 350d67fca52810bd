"""Launch: a kind, a form of what it wants to know, and what else may be said of a task."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from windlass_client import InvalidArgument, Role, Task, WindlassError
from windlass_client.cluster import Kind

from windlass_console.forms import REQUIRED, fields, read
from windlass_console.launching import (
    Path,
    errors_of,
    options_from,
    options_of,
    options_schema,
    put_back,
    without_secrets,
)
from windlass_console.once import request_id_of
from windlass_console.problems import problem
from windlass_console.rendering import Nav, is_fragment, may_change, render, session_of
from windlass_console.shapes import MISSING

OWN = "windlass"
"""Kinds of the kernel itself are made by its own calls alone."""
REUSED = "REQUEST_ID_REUSED"


@dataclass(slots=True)
class Draft:
    """A task in the making.  `typed`: the form as it came back; `hidden`: secrets of the task it is made of."""

    kind: Kind
    options: Any
    source: Task | None = None
    payload: Any = None
    said: Any = None
    typed: Mapping[str, Any] | None = None
    typed_options: Mapping[str, Any] | None = None
    errors: dict[str, str] = field(default_factory=dict)
    request_id: str = field(default_factory=lambda: str(uuid4()))
    hidden: list[Path] = field(default_factory=list)
    kept: set[Path] = field(default_factory=set)
    as_json: bool = False

    @property
    def schema(self) -> Any:
        """A kind whose handler is elsewhere takes any JSON."""
        return {} if self.kind.payload_schema is None else self.kind.payload_schema


async def page(request: Request) -> Response:
    if name := request.query_params.get("kind"):
        return await _new(request, name, None)
    if from_task := request.query_params.get("from"):
        if not from_task.isdecimal():
            return problem(request, 404, "There is no such task", "The number of a task is all digits.")
        task = await session_of(request).client.get_task(int(from_task))
        return await _new(request, task.kind, task)
    return await _kinds(request)


async def _kinds(request: Request) -> Response:
    session = session_of(request)
    every = await session.client.cluster.kinds()
    every = [kind for kind in every if kind.plugin != OWN]
    mine = [kind for kind in every if session.may(kind.role or "submitter")]
    words = request.query_params.get("q", "").strip()
    found = [kind for kind in mine if all(word in _words_of(kind) for word in words.lower().split())]
    template = "launch/kinds_list.html" if is_fragment(request) else "launch/kinds.html"
    return render(request, template, kinds=found, words=words, more=len(every) - len(mine), any=bool(mine))


def _words_of(kind: Kind) -> str:
    return f"{kind.name} {kind.description} {kind.plugin} {kind.pool}".lower()


async def _new(request: Request, name: str, task: Task | None) -> Response:
    draft = await _draft(request, name, task)
    query = request.query_params
    if task is not None:
        draft.payload, draft.said = task.payload, options_from(task)
        if isinstance(draft.payload, dict):
            draft.payload, draft.hidden = without_secrets(draft.schema, draft.payload)
            draft.kept = set(draft.hidden)
    else:
        (draft.payload, _), (draft.said, _) = read(draft.schema, query), read(draft.options, query, "task")
    return _form(request, draft)


async def start(request: Request) -> Response:
    draft, form = await _returned(request)
    payload, wrong = read(draft.schema, form)
    said, wrong_options = read(draft.options, form, "task")
    draft.errors = wrong | wrong_options
    if draft.errors:
        return _form(request, draft, 422)
    if draft.source is not None:
        put_back(payload, draft.source.payload, [path for path in draft.hidden if path in draft.kept])
    options = options_of(said)
    options["request_id"] = draft.request_id
    try:
        handle = await session_of(request).client.enqueue(draft.kind.name, payload, **options)
    except InvalidArgument as error:
        return _refused(request, draft, error)
    return _to_card(request, handle.id)


async def view(request: Request) -> Response:
    """The same content in the other view; one that has errors stays as it is."""
    draft, form = await _returned(request)
    payload, wrong = read(draft.schema, form)
    # What is still missing is no reason: it can be given there.
    wrong = {path: words for path, words in wrong.items() if words != REQUIRED}
    if wrong:
        draft.errors = wrong | {"": "Correct this first: then it can be shown in the other way."}
        return _form(request, draft, 422)
    draft.payload, draft.as_json, draft.typed = payload, not draft.as_json, None
    return _form(request, draft)


def _refused(request: Request, draft: Draft, error: WindlassError) -> Response:
    draft.errors = errors_of(error, draft.schema)
    if error.reason == REUSED:
        draft.request_id = str(uuid4())
        draft.errors = {"": "This form has made a task before, and was changed since. Start again to make another."}
    return _form(request, draft, 422)


def _to_card(request: Request, task: int) -> Response:
    place = f"{request.app.state.settings.prefix}/tasks/{task}"
    if is_fragment(request):
        return Response(status_code=200, headers={"hx-redirect": place})
    return RedirectResponse(place, 303)


async def _draft(request: Request, name: str, source: Task | None) -> Draft:
    session = session_of(request)
    kind, pools = await asyncio.gather(session.client.cluster.kind(name), session.client.cluster.pools())
    return Draft(kind, options_schema(kind, [pool.name for pool in pools], session.identity.pools), source)


async def _returned(request: Request) -> tuple[Draft, FormData]:
    form = await request.form()
    from_task = str(form.get("from", ""))
    source = await session_of(request).client.get_task(int(from_task)) if from_task.isdecimal() else None
    draft = await _draft(request, str(form.get("kind", "")), source)
    draft.typed = draft.typed_options = {**form}
    draft.request_id = request_id_of(form)
    draft.as_json = "payload:json" in form
    if source is not None:
        _, draft.hidden = without_secrets(draft.schema, source.payload)
        draft.kept = {path for path in draft.hidden if json.dumps(path) in form.getlist("keep")}
    return draft, form


def _form(request: Request, draft: Draft, status: int = 200) -> Response:
    typed = draft.typed
    if draft.as_json and typed is None:
        text = json.dumps({} if draft.payload is None else draft.payload, indent=2, ensure_ascii=False)
        typed = {"payload": text, "payload:json": "1"}
    value = {} if draft.payload is None and draft.kind.payload_schema is None else draft.payload
    drawn = fields(draft.schema, value, draft.errors, typed=typed)
    is_first = typed is None and value not in (None, {}) and len(drawn) == 1 and drawn[0].path == "payload"
    return render(
        request,
        "launch/form.html" if is_fragment(request) else "launch/new.html",
        status=status,
        draft=draft,
        drawn=drawn,
        # It is JSON because it has to be, not because somebody chose it.
        is_json=draft.as_json or is_first or "payload:json" in (typed or {}),
        can_switch=draft.kind.payload_schema is not None,
        options=fields(draft.options, draft.said, draft.errors, "task", draft.typed_options),
        is_more=_is_more(draft),
        hidden=[(json.dumps(path), ".".join(path), path in draft.kept) for path in draft.hidden],
        general=_general(draft, drawn),
        may_start=may_change(request, draft.kind.role or Role.SUBMITTER.lower()),
    )


def _is_more(draft: Draft) -> bool:
    """Whether the options are unfolded: they were, or one of them must be looked at."""
    was = bool((draft.typed_options or {}).get("more"))
    return was or bool(draft.options["required"]) or any(key.startswith("task.") for key in draft.errors)


def _general(draft: Draft, drawn: list[Any]) -> str:
    """Words that belong to no field that is shown."""
    here = {each.path for each in drawn}
    loose = [draft.errors.get("", MISSING), MISSING if "payload" in here else draft.errors.get("payload", MISSING)]
    said = " ".join(words for words in loose if words is not MISSING)
    return said or ("Look at the fields that are marked below: nothing was started." if draft.errors else "")


ROUTES: tuple[BaseRoute, ...] = (
    Route("/launch", page),
    Route("/launch", start, methods=["POST"]),
    Route("/launch/view", view, methods=["POST"]),
)
NAVS = (Nav("/launch", "Launch", role="submitter"),)
