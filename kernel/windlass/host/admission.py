"""Admission: a request as it came becomes a request as it is stored, or an error that says what to change."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Mapping
from uuid import UUID

import msgspec
import structlog

from windlass.errors import InvalidArgument, PayloadInvalid, PayloadTooLarge, UnknownKind
from windlass.host.context import NUL, clean
from windlass.host.plugins import Kind
from windlass.store.facts import NewTask

log = structlog.get_logger()

LARGEST_PAYLOAD = 1024 * 1024
LONGEST_TITLE = 200
LONGEST_WORD = 100
MOST_LABELS = 64
HIGHEST_PRIORITY = 100
LONGEST_DELAY = 5 * 366 * 86_400.0
NORMAL_PRIORITY = 5
# An escaped backslash before "u0000" is plain text; only an odd number of backslashes makes it an escape.
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class Request(msgspec.Struct, frozen=True):
    """What a caller asked for.  None and "" mean: the kind's own, or the default."""

    kind: str
    title: str = ""
    priority: int | None = None
    pool: str = ""
    trigger: str = ""
    labels: Mapping[str, str] = {}
    payload: bytes = b"{}"
    attempts: int | None = None
    pause: float | None = None
    delay: float = 0.0
    request_id: str = ""


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as authenticated."""

    name: str
    origin: int


class Admission:
    def __init__(self, kinds: Mapping[str, Kind]) -> None:
        self._kinds = kinds

    def admit(self, request: Request, caller: Caller) -> NewTask:
        """Raises `InvalidArgument` (with the field), `UnknownKind`, `PayloadInvalid` or `PayloadTooLarge`."""
        kind = self._kind(request.kind)
        self._check(request)
        payload = self._payload(kind, request)
        title = request.title or _title(kind, payload)
        policy = kind.handler.retry
        labels = msgspec.json.encode(request.labels, order="sorted")
        return NewTask(
            kind=request.kind,
            title=title,
            priority=NORMAL_PRIORITY if request.priority is None else request.priority,
            pool=request.pool or kind.handler.pool,
            trigger=request.trigger or "api",
            origin=caller.origin,
            initiator=caller.name,
            labels=labels.decode(),
            payload=request.payload.decode(),
            attempt_limit=policy.attempts if request.attempts is None else request.attempts,
            retry_pause=policy.pause if request.pause is None else request.pause,
            delay=request.delay,
            request_id=_request_id(request.request_id),
            body_hash=_body_hash(request, labels) if request.request_id else b"",
        )

    def _kind(self, name: str) -> Kind:
        kind = self._kinds.get(name)
        if kind is None:
            name = name[:LONGEST_WORD]
            near = difflib.get_close_matches(name, self._kinds, n=1)
            known = ", ".join(sorted(self._kinds)) or "none: no plugin is installed"
            hint = f"did you mean {near[0]}?" if near else f"known kinds: {known}"
            raise UnknownKind(f"no plugin here handles kind {name!r}; {hint}", field="task.kind", kind=name)
        return kind

    def _payload(self, kind: Kind, request: Request) -> object:
        size = len(request.payload)
        if size > LARGEST_PAYLOAD:
            raise PayloadTooLarge(
                f"the payload has {size} bytes, and at most {LARGEST_PAYLOAD} are taken:"
                " store it elsewhere and send its place",
                field="task.payload",
                size=size,
                limit=LARGEST_PAYLOAD,
            )
        if _has_nul(request.payload):
            raise PayloadInvalid("the payload holds a NUL character, which can't be stored", field="task.payload")
        try:
            return kind.decode(request.payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            message = f"the payload does not fit {request.kind}: {error}"
            raise PayloadInvalid(message, field="task.payload", kind=request.kind) from error

    @staticmethod
    def _check(request: Request) -> None:
        words = [("title", request.title), ("pool", request.pool), ("trigger", request.trigger)]
        words += [(f"labels.{key[:LONGEST_WORD]}", key + value) for key, value in request.labels.items()]
        for field, text in words:
            longest = LONGEST_TITLE if field == "title" else LONGEST_WORD
            if len(text) > longest:
                raise InvalidArgument(
                    f"{field} has {len(text)} characters; at most {longest} are taken", field=f"task.{field}"
                )
            if NUL in text:
                raise InvalidArgument(f"{field} holds a NUL character, which can't be stored", field=f"task.{field}")
        _within(len(request.labels), 0, MOST_LABELS, "the number of labels", "task.labels")
        _within(request.priority, 0, HIGHEST_PRIORITY, "priority", "task.priority")
        _within(request.attempts, 1, 32_000, "retry.attempts", "task.retry.attempts")
        _within(request.pause, 0, 366 * 86_400, "retry.pause", "task.retry.pause")
        if request.delay > LONGEST_DELAY:
            raise InvalidArgument("due_time is more than five years away", field="task.due_time")


def _title(kind: Kind, payload: object) -> str:
    try:
        return clean(kind.handler.title(payload), LONGEST_TITLE)
    except Exception:
        log.exception("a handler could not title its task", kind=kind.handler.kind)
        return ""


def _within(value: float | None, least: float, most: float, what: str, field: str) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidArgument(f"{what} must be from {least} to {most}, not {value}", field=field)


def _has_nul(payload: bytes) -> bool:
    return b"\0" in payload or ESCAPED_NUL.search(payload) is not None


def _request_id(text: str) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument(f"request_id {text[:50]!r} is not a UUID", field="request_id") from None


def _body_hash(request: Request, labels: bytes) -> bytes:
    # The due time is left out: it arrives as a delay, which a repeated call has less of.
    body = (request.kind, request.title, request.priority, request.pool, request.trigger, labels, request.payload)
    return hashlib.sha256(msgspec.msgpack.encode((*body, request.attempts, request.pause))).digest()[:16]
