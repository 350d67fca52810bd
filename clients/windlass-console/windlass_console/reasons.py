"""Questions before a change: a dialog that says what will happen, takes a reason, and stays open when it is refused."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from windlass_client import Unauthenticated, WindlassError

from windlass_console.problems import notice, problem
from windlass_console.rendering import may_change, render

LONGEST_REASON = 500
Change = Callable[[str], Awaitable[str]]
"""Does it, for the reason that was given; what it returns is said to whoever asked for it."""


@dataclass(frozen=True, slots=True)
class Question:
    """`action`: the path, without the prefix, that does it.  `button`: what is on the button, a verb.

    `number`: the present value when a whole number is asked for as well (`number_label`, at most `most`).
    """

    title: str
    words: str
    button: str
    action: str
    is_danger: bool = False
    has_reason: bool = True
    number: int | None = None
    number_label: str = ""
    most: int = 0


def ask(request: Request, question: Question, **said: str) -> Response:
    """The dialog's content.  `said`: `wrong` (why it was refused), and what had been filled in before."""
    facts: dict[str, Any] = {
        "wrong": "",
        "wrong_number": "",
        "reason": "",
        "typed": question.number,
        "request_id": str(uuid4()),
    }
    facts |= said
    status = 422 if facts["wrong"] or facts["wrong_number"] else 200
    return render(request, "asking/dialog.html", status=status, question=question, longest=LONGEST_REASON, **facts)


async def act(request: Request, question: Question, change: Change, **typed: str) -> Response:
    """Makes the change with the reason of the form; refused, the dialog says why and keeps what was filled in."""
    if not may_change(request):
        return problem(request, 403, "Your role does not allow this", "Nothing was changed.")
    form = await request.form()
    reason, typed["request_id"] = str(form.get("reason", "")).strip(), str(form.get("request_id", ""))
    try:
        done = await change(reason)
    except Unauthenticated:
        raise
    except WindlassError as error:
        return ask(request, question, wrong=error.message, reason=reason, **typed)
    request.app.state.live.tell("overview", "queue")
    return notice(request, done, trigger="close-dialog,live:overview")


def is_fragment(request: Request) -> bool:
    """Whether a part of the page asks for itself again; going back in the browser asks for the whole."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def where(field: str, value: object) -> str:
    """The query of a list of tasks whose field has this value."""
    return urlencode({"filter": f"{field} = {json.dumps(value, ensure_ascii=False)}"})
