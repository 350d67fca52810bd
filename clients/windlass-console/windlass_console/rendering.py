"""Templates, and the words and shapes that all pages share."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from windlass_client import Task

from windlass_console.catalogue import plugins_of
from windlass_console.results import json_line, moment_of, result_id, words_of
from windlass_console.sessions import Session

STATIC = Path(__file__).parent / "static"


@dataclass(frozen=True, slots=True)
class Nav:
    """A page in the list of pages: its `path`, `label`, and the `role` that may see it.

    `is_whole`: it tells of the whole cluster, which a token for some pools may not ask about.
    """

    path: str
    label: str
    role: str = "viewer"
    is_whole: bool = False


def session_of(request: Request) -> Session:
    """The session of a request that the guard let through."""
    session: Session = request.state.session
    return session


def may_change(request: Request, role: str = "operator") -> bool:
    """Whether what needs this role is to be offered: the session has it, and the console is not read-only."""
    return session_of(request).may(role) and not request.app.state.settings.read_only


def render(
    request: Request, template: str, *, status: int = 200, headers: dict[str, str] | None = None, **facts: Any
) -> Response:
    """A page or a fragment.  Templates also find request, session, navs, live, settings, prefix, asset, may."""
    state = request.app.state
    shared = {
        "request": request,
        "session": getattr(request.state, "session", None),
        "navs": state.navs,
        "live": state.live,
        "settings": state.settings,
        "prefix": state.settings.prefix,
        "may": lambda role="operator": may_change(request, role),
    }
    return HTMLResponse(environment().get_template(template).render(**shared, **facts), status, headers)


def is_fragment(request: Request) -> bool:
    """Whether htmx asks for a part of a page; going back in the browser asks for the whole."""
    return "hx-request" in request.headers and "hx-history-restore-request" not in request.headers


def render_live(request: Request, page: str, part: str, **facts: Any) -> Response:
    """The template `page`, or only the `part` of it that asks for itself again."""
    return render(request, part if is_fragment(request) else page, **facts)


@cache
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("windlass_console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"when": when, "duration": duration, "since": since, "json_text": json_text, "count": count}
    made.filters |= {"amount": amount, "called": called}
    made.globals |= {"asset": asset, "now": lambda: datetime.now(UTC), "plugins_of": plugins_of, "where": where}
    made.globals |= {"words_of": words_of, "moment_of": moment_of, "json_line": json_line, "result_id": result_id}
    return made


@cache
def asset(name: str) -> str:
    """The address of a static file under the prefix, with its content's mark, so that it may be kept for ever."""
    mark = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={mark}"


def called(task: Task) -> str:
    """Its title; without one its kind in words: ExecuteScript is "Execute script"."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", task.kind)
    return task.title or words[:1].upper() + words[1:].lower()


def when(moment: datetime | None, otherwise: str = "–") -> Markup:
    """A time: the browser shows it in the viewer's zone, the exact one on hover."""
    if moment is None:
        return Markup('<span class="faint">{}</span>').format(otherwise)
    exact = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact, exact, f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    )


def duration(seconds: float | None) -> str:
    """In at most two units: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min, 4 d 3 h."""
    if seconds is None:
        return "–"
    if seconds < 10:
        return f"{max(seconds, 0):.1f} s"
    whole = round(seconds)
    for unit, name, small, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // small
            return f"{whole // unit} {name} {rest} {below}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def since(moment: datetime | None) -> str:
    """How long ago, as a duration."""
    return duration((datetime.now(UTC) - moment).total_seconds()) if moment else "–"


def count(number: int, stop: int = 10_000) -> str:
    """With groups of thousands; the server stops counting at `stop`."""
    return f"{number:,}" + ("+" if number >= stop else "")


def amount(number: int, what: str) -> str:
    """ "no tasks", "1 task", "1,200 tasks" """
    return f"{number:,} {what}{'' if number == 1 else 's'}" if number else f"no {what}s"


def where(field: str, value: object) -> str:
    """The query of a list of tasks whose field has this value."""
    return urlencode({"filter": f"{field} = {json.dumps(value, ensure_ascii=False)}"})


def json_text(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False, default=str)
