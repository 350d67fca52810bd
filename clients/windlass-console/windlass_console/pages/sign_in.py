"""Signing in with a token, or by a link that the command line makes, and out again."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from windlass_client import Unauthenticated, WindlassError

from windlass_console.guard import COOKIE, bearer
from windlass_console.rendering import Nav, render


async def show(request: Request) -> Response:
    """The form.

    A browser that comes by a link on another site sends no cookie, also one that is signed in: it is told to come once
    more, now from here.
    """
    to, is_again = _inside(request.query_params.get("to", "/")), "again" in request.query_params
    if is_again and request.state.session is not None:
        return RedirectResponse(request.app.state.settings.prefix + to, 303)
    query = "" if is_again or not _is_from_elsewhere(request) else urlencode({"to": to, "again": "1"})
    return render(request, "sign_in.html", wrong="", to=to, come_again=query)


async def enter(request: Request) -> Response:
    form = await request.form()
    to = _inside(str(form.get("to", "/")))
    try:
        word = await request.app.state.sessions.sign_in(str(form.get("token", "")).strip())
    except Unauthenticated:
        wrong = "The server does not know this token. Make one with: windlass tokens create NAME --role operator"
        return _asked_again(request, wrong, to)
    return await _signed_in(request, word, to)


async def link(request: Request) -> Response:
    """For `windlass console link`: who shows a token gets a link that signs in once."""
    try:
        code = await request.app.state.sessions.link(bearer(request.headers))
    except Unauthenticated as error:
        return PlainTextResponse(f"{error}\n", 401)
    except WindlassError as error:
        return PlainTextResponse(f"{error}\n", 503)
    return JSONResponse({"path": f"{request.app.state.settings.prefix}/enter/{code}"})


async def follow(request: Request) -> Response:
    if _is_from_elsewhere(request):
        # Else any page could sign a browser in as somebody of its choice.
        wrong = "This link was opened from another site, and still is good: copy it into the address bar."
        return _asked_again(request, wrong, "/")
    try:
        word = await request.app.state.sessions.follow(request.path_params["code"])
    except Unauthenticated:
        word = None
    if word is None:
        wrong = "This link was used, or is older than a minute. Ask for another: windlass console link"
        return _asked_again(request, wrong, "/")
    return await _signed_in(request, word, "/")


async def leave(request: Request) -> Response:
    await request.app.state.sessions.sign_out(request.cookies.get(COOKIE))
    answer = RedirectResponse(f"{request.app.state.settings.prefix}/sign-in", 303)
    answer.delete_cookie(COOKIE, path=request.app.state.settings.prefix or "/")
    return answer


async def _signed_in(request: Request, word: str, to: str) -> Response:
    settings = request.app.state.settings
    await request.app.state.sessions.sign_out(request.cookies.get(COOKIE))
    answer = RedirectResponse(settings.prefix + to, 303)
    answer.set_cookie(
        COOKIE, word, httponly=True, samesite="strict", secure=settings.secure, path=settings.prefix or "/"
    )
    return answer


def _asked_again(request: Request, wrong: str, to: str) -> Response:
    return render(request, "sign_in.html", status=401, wrong=wrong, to=to, come_again="")


def _is_from_elsewhere(request: Request) -> bool:
    return request.headers.get("sec-fetch-site") in ("cross-site", "same-site")


def _inside(to: str) -> str:
    """A path of ours, never another site's."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) else "/"


ROUTES: tuple[BaseRoute, ...] = (
    Route("/sign-in", show),
    Route("/sign-in", enter, methods=["POST"]),
    Route("/links", link, methods=["POST"]),
    Route("/enter/{code}", follow),
    Route("/sign-out", leave, methods=["POST"]),
)
NAVS: tuple[Nav, ...] = ()
