"""Questions before a change: a dialog that says what will happen, takes a reason, and stays open when it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from windlass_client import Unauthenticated, WindlassError

from windlass_console.once import request_id_of
from windlass_console.problems import notice, problem
from windlass_console.rendering import is_fragment, may_change, render
from windlass_console.whole import whole

LONGEST_REASON = 500
FIELDS = ("reason", "number")


@dataclass(frozen=True, slots=True)
class Number:
    """A whole number that is asked for as well: from 0 to `most`, `now` at present."""

    label: str
    now: int
    most: int


@dataclass(frozen=True, slots=True)
class Question:
    """`button`: what is on the button, a verb.  `role`: the least that may do it.

    `leads_to`: the path, without the prefix, of the page to go to when it is done; empty: the one it was asked on.
    """

    title: str
    words: str
    button: str
    is_danger: bool = False
    has_reason: bool = True
    role: str = "operator"
    number: Number | None = None
    leads_to: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was filled in; 0 when no number was asked.  `request_id` is the dialog's: a double click has the same."""

    reason: str
    number: int
    request_id: str


Asking = Question | Callable[[Request], Awaitable[Question]]
"""A question that is always the same, but for what its title takes from the path (`{name}`), or one that is made."""
Change = Callable[[Request, Answer], Awaitable[str]]
"""Does it; what it returns is said to whoever asked for it."""


def asked(path: str, asking: Asking, change: Change) -> tuple[Route, Route]:
    """At `path` the question is asked in the dialog, and, sent back there, done.

    The address of a dialog that somebody opens as a page leads to the first page.
    """

    async def ask(request: Request) -> Response:
        if not is_fragment(request):
            return RedirectResponse(f"{request.app.state.settings.prefix}/", 303)
        question = await _question(request, asking)
        return _dialog(request, question, {}) if may_change(request, question.role) else _not_allowed(request)

    async def act(request: Request) -> Response:
        return await _act(request, await _question(request, asking), change)

    return Route(path, ask), Route(path, act, methods=["POST"])


async def _question(request: Request, asking: Asking) -> Question:
    if isinstance(asking, Question):
        return replace(asking, title=asking.title.format_map(request.path_params))
    return await asking(request)


async def _act(request: Request, question: Question, change: Change) -> Response:
    """Refused, the dialog says why and keeps what was filled in."""
    if not may_change(request, question.role):
        return _not_allowed(request)
    form = await request.form()
    typed = {name: str(form.get(name, "")).strip() for name in FIELDS} | {"request_id": request_id_of(form)}
    number = whole(typed["number"], question.number.most) if question.number else 0
    if question.number and number is None:
        return _dialog(request, question, typed, {"number": f"A whole number from 0 to {question.number.most:,}."})
    try:
        done = await change(request, Answer(typed["reason"], number or 0, typed["request_id"]))
    except Unauthenticated:
        raise
    except WindlassError as error:
        return _dialog(request, question, typed, {"": error.message})
    request.app.state.live.tell("overview", "queue")
    said = notice(request, done, trigger="close-dialog, changed, live:overview, live:queue")
    if question.leads_to:
        said.headers["hx-redirect"] = f"{request.app.state.settings.prefix}{question.leads_to}"
    return said


def _not_allowed(request: Request) -> Response:
    return problem(request, 403, "Your role does not allow this", "Nothing was changed.")


def _dialog(
    request: Request, question: Question, typed: Mapping[str, str], wrong: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """`typed`: what had been filled in before.  `wrong`: words by field, "" for all.  It is sent where it came from."""
    query = f"?{request.url.query}" if request.url.query else ""
    facts: dict[str, Any] = {"action": quote(request.scope["path"]) + query, "longest": LONGEST_REASON, "wrong": wrong}
    filled = {"reason": "", "request_id": str(uuid4())} | dict(typed)
    status = 422 if wrong else 200
    return render(request, "asking/dialog.html", status=status, question=question, typed=filled, **facts)
