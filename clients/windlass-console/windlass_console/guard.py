"""What every request must pass before a page sees it, and what every answer carries."""

from __future__ import annotations

import secrets
from urllib.parse import parse_qs, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from windlass_console.sessions import Sessions
from windlass_console.settings import Settings

COOKIE = "windlass_session"
LARGEST_BODY = 4 * 1024 * 1024
MOST_FIELDS = 1000
SAFE = ("GET", "HEAD", "OPTIONS")
OPEN = ("/sign-in", "/enter/", "/links", "/static/", "/healthz")
"""What is answered to who has not signed in."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """Host, Origin, session and CSRF token, in this order; then the headers that keep a page to itself."""

    def __init__(self, app: ASGIApp, settings: Settings, sessions: Sessions) -> None:
        self._app = app
        self._settings = settings
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        refusal, receive = await self._check(request)
        await (refusal or self._app)(scope, receive, _with_headers(send, request.url.path))

    async def _check(self, request: Request) -> tuple[Response | None, Receive]:
        if not self._is_ours(request.headers.get("host", "")):
            return _say(
                421, "This console is not reached by that name. Start it with --host NAME to allow one."
            ), request.receive
        session = await self._sessions.find(request.cookies.get(COOKIE))
        request.scope["state"] = {**request.scope.get("state", {}), "session": session}
        path = request.scope["path"].removeprefix(self._settings.prefix) or "/"
        is_open = path.startswith(OPEN)
        if session is None and not is_open:
            return self._sign_in(request, path), request.receive
        if request.method in SAFE or path == "/links":
            return None, request.receive
        if not self._is_from_us(request):
            return _say(403, "This did not come from a page of this console, so nothing was done."), request.receive
        if session is None or path == "/sign-in":
            return None, request.receive
        if self._settings.read_only and path != "/sign-out":
            return _say(
                403, "This console only shows: it was started with --read-only. Nothing was done."
            ), request.receive
        return await self._with_token(request, session.csrf)

    async def _with_token(self, request: Request, csrf: str) -> tuple[Response | None, Receive]:
        body, given = b"", request.headers.get("x-csrf-token", "")
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY:
                return _say(413, "That is more than 4 MiB, so nothing was done."), request.receive
        if not given and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            try:
                given = parse_qs(body.decode(errors="replace"), max_num_fields=MOST_FIELDS).get("csrf", [""])[0]
            except ValueError:
                return _say(413, f"That is more than {MOST_FIELDS:,} fields, so nothing was done."), request.receive
        if not secrets.compare_digest(given.encode(), csrf.encode()):
            return _say(403, "This page is from an earlier session: load it again. Nothing was done."), request.receive
        return None, _again(body)

    def _sign_in(self, request: Request, path: str) -> Response:
        place = f"{self._settings.prefix}/sign-in"
        if request.headers.get("hx-request"):
            return Response(status_code=401, headers={"hx-redirect": place})
        if "text/event-stream" in request.headers.get("accept", ""):
            return _say(401, "Sign in first.")
        if request.method not in SAFE:
            return _say(401, "Sign in first; nothing was done.")
        query = f"?{request.url.query}" if request.url.query else ""
        # Without scheme and host, which only a proxy before us may know.
        return RedirectResponse(f"{place}?{urlencode({'to': path + query})}", 303)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if not host.endswith("]") and ":" in host else host
        return name in ("localhost", "127.0.0.1", "[::1]") or bool({host, name} & set(self._settings.hosts))

    def _is_from_us(self, request: Request) -> bool:
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        scheme = "https" if self._settings.secure else request.url.scheme
        return request.headers.get("origin") == f"{scheme}://{request.headers['host']}"


def _again(body: bytes) -> Receive:
    """The body, for who reads it after us."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    return receive


def _with_headers(send: Send, path: str) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("cache-control", "no-store")
        await send(message)

    return sending


def _say(status: int, words: str) -> Response:
    return PlainTextResponse(words + "\n", status)


def bearer(headers: Headers) -> str:
    """The token of an Authorization header, or nothing."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
