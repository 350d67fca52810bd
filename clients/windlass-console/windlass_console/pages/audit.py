"""Audit: who did what to which thing, and why."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from windlass_client import AuditEntry, InvalidArgument

from windlass_console.paging import pages_of
from windlass_console.rendering import Nav, render, session_of

PAGE_SIZE = 50
FILTERS = (
    ("Pauses and drains", 'method:"Pause" OR method:"Drain"'),
    ("Interrupts", 'method:"Interrupt"'),
    ("Tokens", 'method:"Token"'),
    ("Operations of plugins", 'method:"Operations"'),
)
"""Offered as chips; the field takes any filter of docs/filters.md."""


async def page(request: Request) -> Response:
    filter, token = request.query_params.get("filter", ""), request.query_params.get("page", "")
    entries: tuple[AuditEntry, ...] = ()
    next_page = wrong = ""
    try:
        found = await session_of(request).client.access.audit_page(filter=filter, page_size=PAGE_SIZE, page_token=token)
        entries, next_page = tuple(found.items), found.next_page_token
    except InvalidArgument as error:
        wrong = str(error)
    pages = pages_of(request, token, next_page)
    status = 422 if wrong else 200
    facts: dict[str, Any] = {"entries": entries, "filter": filter, "wrong": wrong, "pages": pages, "chips": FILTERS}
    return render(request, "audit/page.html", status=status, **facts)


ROUTES = (Route("/audit", page),)
NAVS = (Nav("/audit", "Audit", role="admin", is_whole=True),)
