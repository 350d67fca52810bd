"""What a page says when the server refuses or does not answer: what is wrong, and what to do."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from windlass_client import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    WindlassError,
)

from windlass_console.rendering import is_fragment, render

STATUSES: tuple[tuple[type[WindlassError], int, str], ...] = (
    (Unavailable, 503, "The kernel is unreachable"),
    (NotFound, 404, "There is no such thing"),
    (PermissionDenied, 403, "Your role does not allow this"),
    (InvalidArgument, 422, "That does not fit"),
    (FailedPrecondition, 409, "Its state does not allow this"),
    (ResourceExhausted, 429, "The server has enough to do"),
)


async def refused(request: Request, error: Exception) -> Response:
    """For every WindlassError that a page does not handle itself: a whole page, or a notice for what htmx asked."""
    assert isinstance(error, WindlassError)
    if isinstance(error, Unauthenticated):
        return _signed_out(request)
    status, title = next(
        ((number, words) for kind, number, words in STATUSES if isinstance(error, kind)), (502, "The server refused")
    )
    return problem(request, status, title, str(error))


def problem(request: Request, status: int, title: str, words: str) -> Response:
    """A page that says what is wrong; for htmx a notice that leaves the page as it is.

    What was sent from a dialog closes it: the notice would stand behind it.
    """
    if is_fragment(request):
        headers = {"hx-retarget": "#notice", "hx-reswap": "innerHTML"}
        headers |= {"hx-trigger": "close-dialog"} if request.method == "POST" else {}
        return render(request, "notice.html", status=status, headers=headers, tone="bad", title=title, words=words)
    return render(request, "problem.html", status=status, title=title, words=words)


def notice(request: Request, title: str, words: str = "", tone: str = "good", trigger: str = "") -> Response:
    """What was done, in the place for notices, for an answer to htmx.  `trigger`: an event that loads parts again."""
    headers = {"hx-retarget": "#notice", "hx-reswap": "innerHTML"} | ({"hx-trigger": trigger} if trigger else {})
    return render(request, "notice.html", headers=headers, tone=tone, title=title, words=words)


def _signed_out(request: Request) -> Response:
    place = f"{request.app.state.settings.prefix}/sign-in"
    if request.headers.get("hx-request"):
        return Response(status_code=401, headers={"hx-redirect": place})
    return Response(status_code=303, headers={"location": place})
