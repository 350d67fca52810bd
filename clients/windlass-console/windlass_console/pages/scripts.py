"""The script library: what there is, one script whole, its editor, and running it with its parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from windlass_client import FailedPrecondition, InvalidArgument, NotFound, WindlassError
from windlass_client.resources import TaskOptions

from windlass_console import library
from windlass_console.forms import fields, placed, read
from windlass_console.launching import errors_of as errors_of_task
from windlass_console.paging import pages_of
from windlass_console.problems import problem
from windlass_console.reasons import Answer, Question, asked
from windlass_console.rendering import Nav, is_fragment, may_change, render, render_live, session_of
from windlass_console.whole import whole

REJECTED = "OPERATION_REJECTED"
EMPTY: tuple[Any, ...] = (None, "", [], {})


async def page(request: Request) -> Response:
    """By name, a page of them at a time; the search is for how names begin, which the server does."""
    prefix, after = request.query_params.get("prefix", "").strip(), request.query_params.get("after", "")
    client = session_of(request).client
    known, lines = await asyncio.gather(
        library.operations(client), client.operations.call("scripts.list", {"prefix": prefix, "after": after})
    )
    facts: dict[str, Any] = {
        "lines": [(line, library.moment_of(line)) for line in lines],
        "prefix_words": prefix,
        "after": after,
        "pages": pages_of(request, after, lines[-1]["name"] if len(lines) == library.PAGE else "", name="after"),
        "may_save": may_change(request, known.role("save")),
    }
    return render_live(request, "scripts/library.html", "scripts/list.html", **facts)


async def show(request: Request) -> Response:
    return await _script(request, None)


async def _script(
    request: Request, typed: Mapping[str, Any] | None, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    name, version = request.path_params["name"], _version(request, typed)
    client = session_of(request).client
    which = {"name": name} | ({"version": version} if version else {})
    try:
        known, script, versions = await asyncio.gather(
            library.operations(client),
            client.operations.call("scripts.show", which),
            client.operations.call("scripts.versions", {"name": name}),
        )
    except WindlassError as error:
        return _gone(request, error)
    drawn = fields(library.parameters_schema(script["parameters"]), None, errors, "parameters", typed)
    return render(
        request,
        "scripts/run.html" if typed is not None else "scripts/script.html",
        status=status,
        script=script,
        saved=library.moment_of(script),
        lines=script["text"].split("\n"),
        versions=[(line, library.moment_of(line)) for line in versions],
        newest=versions[0]["version"],
        drawn=drawn,
        general=(errors or {}).get("", ""),
        title_typed=str((typed or {}).get("title", "")),
        request_id=str((typed or {}).get("request_id") or uuid4()),
        may_run=may_change(request, "submitter"),
        may_save=may_change(request, known.role("save")),
        may_delete=may_change(request, known.role("delete")),
    )


def _version(request: Request, typed: Mapping[str, Any] | None) -> int:
    """0 for the newest."""
    return whole((typed or {}).get("version") or request.query_params.get("version")) or 0


def _gone(request: Request, error: WindlassError) -> Response:
    """What is not there is rejected by the plugin: it has no status of its own for that."""
    if error.reason == REJECTED:
        return problem(request, 404, "There is no such script", error.message)
    raise error


async def run(request: Request) -> Response:
    """The version that is on the screen, whatever is saved meanwhile."""
    form = await request.form()
    name, client = request.path_params["name"], session_of(request).client
    version = _version(request, form)
    try:
        script = await client.operations.call("scripts.show", {"name": name, "version": version or None})
    except WindlassError as error:
        return _gone(request, error)
    value, errors = read(library.parameters_schema(script["parameters"]), form, "parameters")
    if errors:
        return await _script(request, form, errors, 422)
    payload = {"library": f"{name}@{script['version']}", "parameters": value}
    options: TaskOptions = {"title": str(form.get("title", "")), "request_id": str(form.get("request_id") or uuid4())}
    try:
        handle = await client.enqueue(library.KIND, payload, **options)
    except InvalidArgument as error:
        said = errors_of_task(error, None)
        return await _script(request, form, {"": " ".join(said.values())}, 422)
    return _to(request, f"/tasks/{handle.id}")


async def new(request: Request) -> Response:
    known = await library.operations(session_of(request).client)
    return _editor(request, known, {"interpreter": "sh"}, 0)


async def edit(request: Request) -> Response:
    name, client = request.path_params["name"], session_of(request).client
    try:
        known, script = await asyncio.gather(
            library.operations(client), client.operations.call("scripts.show", {"name": name})
        )
    except WindlassError as error:
        return _gone(request, error)
    return _editor(request, known, script, script["version"])


async def save(request: Request) -> Response:
    form = await request.form()
    client = session_of(request).client
    known = await library.operations(client)
    schema = known.details_schema()
    value, errors = read(schema, form, "details")
    name, text = str(form.get("name", "")).strip(), str(form.get("text", "")).replace("\r\n", "\n")
    errors |= {path: "is required" for path, said in (("name", name), ("text", text.strip())) if not said}
    script = {**value, "name": name, "text": text, "expected": whole(form.get("expected")) or 0}
    if errors:
        return _editor(request, known, script, script["expected"], form, errors)
    try:
        saved = await client.operations.call("scripts.save", script, reason=str(form.get("reason", "")))
    except WindlassError as error:
        if error.reason != REJECTED and not isinstance(error, InvalidArgument):
            raise
        said = library.errors_of(error, schema)
        newest = await _newest(request, name) if "conflict" in said else None
        return _editor(request, known, script, script["expected"], form, said, newest)
    return _to(request, f"/scripts/{saved['name']}")


async def _newest(request: Request, name: str) -> Mapping[str, Any] | None:
    """The script that was in the way; None when it was deleted meanwhile."""
    try:
        found: Mapping[str, Any] = await session_of(request).client.operations.call("scripts.show", {"name": name})
    except WindlassError:
        return None
    return found


def _editor(
    request: Request,
    known: library.Operations,
    script: Mapping[str, Any],
    expected: int,
    typed: Mapping[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    newest: Mapping[str, Any] | None = None,
) -> Response:
    if "save" not in known.known:
        raise NotFound("This server saves no scripts.")
    schema = known.details_schema()
    details = {name: each for name, each in script.items() if name in schema["properties"] and each not in EMPTY}
    errors = errors or {}
    return render(
        request,
        "scripts/editor.html" if is_fragment(request) else "scripts/edit.html",
        status=409 if "conflict" in errors else 422 if errors else 200,
        name=script.get("name", ""),
        text=script.get("text", ""),
        is_new=not str((typed or {}).get("was", script.get("name", ""))),
        was=str((typed or {}).get("was", script.get("name", ""))),
        expected=expected,
        reason=str((typed or {}).get("reason", "")),
        drawn=fields(schema, details, errors, "details", typed),
        errors=errors,
        newest=newest,
        newest_saved=library.moment_of(newest) if newest else None,
        may_save=may_change(request, known.role("save")),
    )


async def ask_delete(request: Request) -> Question:
    """`expected` in its address is the version that was looked at: one that was saved meanwhile is not deleted."""
    name, client = request.path_params["name"], session_of(request).client
    known, versions = await asyncio.gather(
        library.operations(client), client.operations.call("scripts.versions", {"name": name})
    )
    all_of_it = "its only version" if len(versions) == 1 else f"all its {len(versions)} versions"
    words = (
        f"It goes with {all_of_it}, for good. Tasks that name it fail when they start; what has run stays in the"
        " history."
    )
    role = known.role("delete")
    return Question(f"Delete {name}?", words, "Delete", is_danger=True, role=role, leads_to="/scripts")


async def delete(request: Request, answer: Answer) -> str:
    name, expected = request.path_params["name"], whole(request.query_params.get("expected"))
    doomed = {"name": name} | ({"expected": expected} if expected is not None else {})
    try:
        await session_of(request).client.operations.call("scripts.delete", doomed, reason=answer.reason)
    except WindlassError as error:
        if error.reason != REJECTED:
            raise
        raise FailedPrecondition(next(iter(placed(error, None).values())).removeprefix("expected: ")) from error
    return f"Script {name} is deleted"


def _to(request: Request, path: str) -> Response:
    return Response(status_code=200, headers={"hx-redirect": f"{request.app.state.settings.prefix}{path}"})


# A name begins with a letter or a digit, so that "-" is free for what is no script.
ROUTES: tuple[BaseRoute, ...] = (
    Route("/scripts", page),
    Route("/scripts/-/new", new),
    Route("/scripts/-/save", save, methods=["POST"]),
    Route("/scripts/{name}", show),
    Route("/scripts/{name}/run", run, methods=["POST"]),
    Route("/scripts/{name}/edit", edit),
    *asked("/scripts/{name}/delete", ask_delete, delete),
)
NAVS = (Nav("/scripts", "Scripts", is_whole=True),)
