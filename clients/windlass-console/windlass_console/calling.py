"""Calling an operation from a page: the argument of a form, the question before what writes, and the answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from windlass_client import Operation, WindlassError

from windlass_console import forms
from windlass_console.catalogue import DRY_RUN, PluginPage
from windlass_console.reasons import LONGEST_REASON
from windlass_console.rendering import may_change, render, session_of
from windlass_console.results import Shape, fields_in, needs_nothing, shape_of

FIELD = "argument"
AFTER = "after"
"""Where a page of a result begins, as JSON; the argument has a field of that name."""
OF_THE_ARGUMENT = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED")
"""Refusals that are told where the question was asked."""


NOT_ALLOWED = "This console is read-only, or your role does not allow this."


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operation said: a shape, or an error that is told where the question was asked; neither: not asked."""

    shape: Shape | None = None
    error: WindlassError | None = None

    @property
    def wrong(self) -> str:
        return "" if self.error is None else str(self.error)

    @property
    def for_templates(self) -> dict[str, Any]:
        return {"shape": self.shape, "wrong": self.wrong}


async def show(request: Request, plugin: PluginPage, operation: Operation) -> Response:
    """Its page.  What was asked stands in the address, so it can be kept and sent to others."""
    asked = any(name.startswith(FIELD) for name in request.query_params)
    argument, errors = read(operation, request.query_params) if asked else ({}, {})
    found = Answer()
    if not operation.writes and not errors and (asked or needs_nothing(operation.argument_schema)):
        found = await answer(request, operation, argument | behind(request))
    if found.error is not None and asked:
        errors |= forms.placed(found.error, operation.argument_schema, FIELD)
    made = fields(operation, argument, errors, request.query_params if asked else None)
    return render(
        request, "plugins/operation.html", plugin=plugin, operation=operation, fields=made, **found.for_templates
    )


async def result(request: Request, plugin: PluginPage, operation: Operation) -> Response:
    """The answer alone, to an argument that says nothing but where the page begins."""
    found = await answer(request, operation, behind(request))
    return render(request, "plugins/result.html", plugin=plugin, operation=operation, **found.for_templates)


async def confirm(request: Request, plugin: PluginPage, operation: Operation) -> Response:
    """The dialog: what will be done, to how many, and why."""
    form = await request.form()
    # A button brings the whole argument.
    argument, errors = read(operation, form) if FIELD not in form else (_whole(form[FIELD]), {})
    if errors:
        headers = {"hx-retarget": "#fields", "hx-reswap": "outerMorph"}
        made = fields(operation, argument, errors, form)
        return render(request, "plugins/fields.html", status=422, headers=headers, fields=made)
    counted, wrong = await _count(request, plugin, operation, argument)
    return _dialog(request, operation, argument, wrong, counted=counted)


async def call(request: Request, operation: Operation) -> Response:
    """Does it, and tells what came of it; what is refused is told in the dialog."""
    form = await request.form()
    argument = _whole(form.get(FIELD, "{}"))
    reason = str(form.get("reason", "")).strip()
    try:
        if not may_change(request, operation.role):
            raise PermissionError
        said = await session_of(request).client.operations.call(operation.name, argument, reason=reason)
    except (WindlassError, PermissionError) as error:
        return _dialog(request, operation, argument, str(error) or NOT_ALLOWED, status=409, reason=reason)
    headers = {
        "hx-retarget": "#notice",
        "hx-reswap": "innerHTML",
        "hx-trigger": "close-dialog, plugin-changed, live:overview, live:queue",
    }
    return render(request, "plugins/done.html", headers=headers, operation=operation, shape=shape_of(said))


def fields(
    operation: Operation, argument: Any, errors: Mapping[str, str], typed: Mapping[str, Any] | None = None
) -> list[forms.Field]:
    """Of its form; what the page says by itself is left out."""
    made = forms.fields(operation.argument_schema, argument, errors, FIELD, typed)
    return [each for each in made if each.path.removeprefix(f"{FIELD}.") not in _not_offered(operation)]


def read(operation: Operation, items: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """The argument that the fields of a form make, and what is wrong with which."""
    made, errors = forms.read(operation.argument_schema, items, FIELD)
    argument = made if isinstance(made, dict) else {}
    return {name: value for name, value in argument.items() if name not in _not_offered(operation)}, errors


def behind(request: Request) -> dict[str, Any]:
    """Where the page that is asked for begins; nothing for the first."""
    try:
        return {AFTER: json.loads(request.query_params[AFTER])}
    except (KeyError, ValueError):
        return {}


async def answer(request: Request, operation: Operation, argument: dict[str, Any]) -> Answer:
    """What it says; a refusal that is none of the argument's fault is raised."""
    try:
        return Answer(shape_of(await session_of(request).client.operations.call(operation.name, argument)))
    except WindlassError as error:
        if error.code not in OF_THE_ARGUMENT:
            raise
        return Answer(error=error)


def _dialog(
    request: Request,
    operation: Operation,
    argument: dict[str, Any],
    wrong: str,
    *,
    status: int = 200,
    counted: Shape | None = None,
    reason: str = "",
) -> Response:
    facts: dict[str, Any] = {"counted": counted, "wrong": wrong, "reason": reason, "longest": LONGEST_REASON}
    return render(request, "plugins/confirm.html", status=status, operation=operation, argument=argument, **facts)


def _whole(text: object) -> dict[str, Any]:
    """An argument that a button brings."""
    try:
        argument = json.loads(str(text))
    except ValueError:
        argument = None
    if not isinstance(argument, dict):
        raise HTTPException(400, "The argument is no JSON object, so nothing was done")
    return argument


def _not_offered(operation: Operation) -> tuple[str, ...]:
    """Fields that the page says by itself."""
    return (DRY_RUN,) if operation.writes else (DRY_RUN, AFTER)


async def _count(
    request: Request, plugin: PluginPage, operation: Operation, argument: dict[str, Any]
) -> tuple[Shape | None, str]:
    """What it would do, where the plugin offers to say so, and what speaks against it."""
    if not may_change(request, operation.role):
        return None, NOT_ALLOWED
    counting = plugin.counting(operation)
    if counting is not None:
        found = await answer(request, counting, argument)
    elif any(name == DRY_RUN for name, _, _ in fields_in(operation.argument_schema)):
        found = await answer(request, operation, argument | {DRY_RUN: True})
    else:
        return None, ""
    return found.shape, found.wrong
