"""Tokens: who may come in with what, a new one, and revoking one."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from windlass_client import InvalidArgument, Origin, Role

from windlass_console.paging import pages_of
from windlass_console.reasons import Answer, Question, asked
from windlass_console.rendering import Nav, render, session_of

PAGE_SIZE = 50
ROLES = (
    (Role.VIEWER, "sees everything, changes nothing"),
    (Role.SUBMITTER, "also starts tasks"),
    (Role.OPERATOR, "also interrupts, retries, pauses, schedules"),
    (Role.ADMIN, "also makes tokens and reads the audit"),
    (Role.AGENT, "works on a host, and nothing else"),
)

REVOKE = Question(
    "Revoke token {name}?",
    "Whoever uses it is refused within 30 s. This can't be undone.",
    "Revoke",
    is_danger=True,
    role="admin",
)


async def page(request: Request) -> Response:
    return await _show(request)


async def make(request: Request) -> Response:
    """The page again with the secret, which is shown this once, or with what is wrong at its field."""
    form = {name: str(value).strip() for name, value in (await request.form()).items()}
    try:
        days = float(form.get("days") or 0)
        made = await session_of(request).client.access.create_token(
            form.get("subject", ""),
            Role(form.get("role", "")),
            origin=Origin(form["origin"]) if form.get("origin") else None,
            pools=form.get("pools", "").split(),
            ttl=days * 86_400 if days else None,
        )
    except InvalidArgument as error:
        return await _show(request, wrong=str(error), form=form, status=422)
    except ValueError:
        wrong = "days is a number, such as 30; the role is one of the list"
        return await _show(request, wrong=wrong, form=form, status=422)
    return await _show(request, made=made)


async def revoke(request: Request, answer: Answer) -> str:
    await session_of(request).client.access.revoke(request.path_params["name"], answer.reason)
    return f"Token {request.path_params['name']} is revoked: every server refuses it within 30 s"


async def _show(request: Request, status: int = 200, **facts: Any) -> Response:
    ended, token = bool(request.query_params.get("ended")), request.query_params.get("page", "")
    found = await session_of(request).client.access.token_page(show_ended=ended, page_size=PAGE_SIZE, page_token=token)
    pages = pages_of(request, token, found.next_page_token)
    shown: dict[str, Any] = {"made": None, "wrong": "", "form": {}, "ended": ended, "roles": ROLES}
    return render(request, "tokens/page.html", status=status, tokens=found.items, pages=pages, **(shown | facts))


ROUTES = (
    Route("/tokens", page),
    Route("/tokens", make, methods=["POST"]),
    *asked("/tokens/{name}/revoke", REVOKE, revoke),
)
NAVS = (Nav("/tokens", "Tokens", role="admin"),)
