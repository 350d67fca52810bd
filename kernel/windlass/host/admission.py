"""Admission: a request as it came becomes a request as it is stored, or an error that says what to change."""

from __future__ import annotations

import difflib
import hashlib
import re
from collections.abc import Collection, Mapping
from uuid import UUID

import msgspec
import structlog

from windlass import telemetry
from windlass.core.access import Role, allows, reaches
from windlass.core.agents import WHAT_FITS, agent_of, is_agent_id, is_agent_pool
from windlass.errors import (
    InvalidArgument,
    KindReserved,
    PayloadInvalid,
    PayloadTooLarge,
    PoolOutOfScope,
    RoleTooLow,
    UnknownKind,
)
from windlass.handler import Concurrency, Twin
from windlass.host.context import NUL, clean
from windlass.host.plugins import Kind
from windlass.store.facts import NewTask

log = structlog.get_logger()

LARGEST_PAYLOAD = 1024 * 1024
LONGEST_TITLE = 200
LONGEST_WORD = 100
MOST_LABELS = 64
HIGHEST_PRIORITY = 100
NO_LABELS = b"{}"
LONGEST_DELAY = 5 * 366 * 86_400.0
LONGEST_DEADLINE = 366 * 86_400.0
NORMAL_PRIORITY = 5
LONGEST_KEY = 500
MOST_SLOTS = 1_000
MOST_DEPENDENCIES = 1_000
# An escaped backslash before "u0000" is plain text; only an odd number of backslashes makes it an escape.
ESCAPED_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


encoded = msgspec.msgpack.Encoder().encode


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
    coalesce_key: str | None = None
    """None: what the handler says; "" for none at all."""
    concurrency: Concurrency | None = None
    start_within: float | None = None
    run_limit: float | None = None
    silence_limit: float | None = None
    after: tuple[int, ...] = ()
    after_success: bool = False
    parent: int | None = None


class Caller(msgspec.Struct, frozen=True):
    """Who asks, as authenticated.  `credential` is what let it in; `pools` those it may reach, empty for all."""

    name: str
    origin: int
    role: Role = Role.ADMIN
    pools: frozenset[str] = frozenset()
    credential: str = ""


class Admission:
    """`pools`: the names of those there are; without them any name is taken.  `elsewhere`: kinds that only agents
    have.
    """

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        pools: Collection[str] | None = None,
        elsewhere: Mapping[str, Kind] | None = None,
    ) -> None:
        self._kinds = kinds
        self._pools = pools
        self._elsewhere = {} if elsewhere is None else elsewhere

    def knows(self, pool: str) -> bool:
        """Whether there is such a pool."""
        return self._pools is None or pool in self._pools or is_agent_id(agent_of(pool))

    def check_role(self, kind: str, caller: Caller) -> None:
        """Whether the caller may make tasks of this kind.  Raises `RoleTooLow`.

        What no plugin here handles may demand any role: only an admin's suffices for certain.
        """
        known = self._kinds.get(kind) or self._elsewhere.get(kind)
        least = Role.ADMIN if known is None else known.handler.role
        if allows(caller.role, least):
            return
        mine, needed = caller.role.name.lower(), least.name.lower()
        why = "" if known else " (no plugin of this server handles it: one that does may ask for less)"
        raise RoleTooLow(
            f"tasks of kind {kind} need the role {needed}{why}, and yours is {mine}: ask an admin for a token with it",
            needed=needed,
            role=mine,
            kind=kind,
        )

    def is_privileged(self, kind: str) -> bool:
        """Whether who makes a task of this kind is written down."""
        known = self._kinds.get(kind) or self._elsewhere.get(kind)
        return known is not None and known.handler.role > Role.SUBMITTER

    def admit(self, request: Request, caller: Caller, *, reserved: bool = False) -> NewTask:
        """Raises `InvalidArgument` (with the field), `UnknownKind`, `PayloadInvalid`, `PayloadTooLarge`, `RoleTooLow`
        or `PoolOutOfScope`.

        `reserved`: the kernel itself asks, and may have tasks of its own kinds.
        """
        kind = self._kind(request.kind)
        if kind.is_reserved and not reserved:
            raise KindReserved.of(request.kind, "task.kind")
        self.check_role(request.kind, caller)
        self._check(request)
        payload = self._payload(kind, request)
        title = request.title or _title(kind, payload)
        key, slots = self._gates(kind, request, payload)
        policy = kind.handler.retry
        pool = request.pool or kind.handler.pool
        if not reaches(caller.pools, pool):
            raise PoolOutOfScope.of(pool, caller.pools)
        labels = msgspec.json.encode(request.labels, order="sorted") if request.labels else NO_LABELS
        return NewTask(
            kind=request.kind,
            title=title,
            priority=NORMAL_PRIORITY if request.priority is None else request.priority,
            pool=pool,
            trigger=request.trigger or "api",
            origin=caller.origin,
            initiator=caller.name,
            labels=labels.decode(),
            payload=request.payload.decode(),
            attempt_limit=policy.attempts if request.attempts is None else request.attempts,
            retry_pause=policy.pause if request.pause is None else request.pause,
            delay=request.delay,
            request_id=read_request_id(request.request_id),
            body_hash=_body_hash(request, labels) if request.request_id else b"",
            start_within=kind.handler.deadlines.queue if request.start_within is None else request.start_within,
            run_limit=request.run_limit,
            silence_limit=request.silence_limit,
            parent=request.parent,
            after=tuple(sorted(set(request.after))) if request.after else (),
            after_success=request.after_success,
            coalesce_key=key,
            joins_running=kind.handler.running_twin is Twin.JOIN,
            slot_key=slots.key if slots else None,
            slot_limit=slots.limit if slots else None,
            trace=telemetry.trace_here(),
        )

    def _gates(self, kind: Kind, request: Request, payload: object) -> tuple[str | None, Concurrency | None]:
        """What it must wait for, by its handler and its caller: its coalesce key, and the slots it takes."""
        if is_agent_pool(request.pool):
            _check_agent(request.pool)
        elif request.pool and self._pools is not None and not self.knows(request.pool):
            near = difflib.get_close_matches(request.pool, self._pools, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known pools: {', '.join(sorted(self._pools))}"
            raise InvalidArgument(f"there is no pool {request.pool!r}; {hint}", field="task.pool")
        key, slots = _keys(kind, payload)
        key = key if request.coalesce_key is None else request.coalesce_key
        slots = slots if request.concurrency is None else request.concurrency
        if key:
            _check_word("task.coalesce_key", key, LONGEST_KEY)
        if key and request.after:
            raise InvalidArgument(
                "a request with a coalesce key can't wait for other tasks: it may join one that does not wait for them",
                field="task.after",
            )
        if slots is not None:
            _check_word("task.concurrency.key", slots.key, LONGEST_KEY)
            _within(slots.limit, 1, MOST_SLOTS, "concurrency.limit", "task.concurrency.limit")
        return key or None, slots if slots and slots.key else None

    def _kind(self, name: str) -> Kind:
        kind = self._kinds.get(name) or self._elsewhere.get(name)
        if kind is None:
            name = name[:LONGEST_WORD]
            near = difflib.get_close_matches(name, [*self._kinds, *self._elsewhere], n=1)
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
        _check_word("task.title", request.title, LONGEST_TITLE)
        _check_word("task.pool", request.pool, LONGEST_WORD)
        _check_word("task.trigger", request.trigger, LONGEST_WORD)
        if request.labels:
            for key, value in request.labels.items():
                _check_word(f"task.labels.{key[:LONGEST_WORD]}", key + value, LONGEST_WORD)
        for field in ("start_within", "run_limit", "silence_limit"):
            if (seconds := getattr(request, field)) is not None:
                _within(seconds, 0.001, LONGEST_DEADLINE, field, f"task.{field}")
        _within(len(request.after), 0, MOST_DEPENDENCIES, "the number of tasks to wait for", "task.after")
        _within(len(request.labels), 0, MOST_LABELS, "the number of labels", "task.labels")
        check_priority(request.priority, "task.priority")
        _within(request.attempts, 1, 32_000, "retry.attempts", "task.retry.attempts")
        _within(request.pause, 0, 366 * 86_400, "retry.pause", "task.retry.pause")
        if request.delay > LONGEST_DELAY:
            raise InvalidArgument("due_time is more than five years away", field="task.due_time")


def _check_agent(pool: str) -> None:
    """An agent's pool is there before the agent is, so that work can wait for it."""
    if not is_agent_id(agent_of(pool)):
        raise InvalidArgument(
            f"pool {pool!r} is none that an agent could have: an agent's id is {WHAT_FITS}", field="task.pool"
        )


def _check_word(field: str, text: str, longest: int) -> None:
    if len(text) <= longest and NUL not in text:
        return
    name = field.removeprefix("task.")
    if len(text) > longest:
        raise InvalidArgument(f"{name} has {len(text)} characters; at most {longest} are taken", field=field)
    raise InvalidArgument(f"{name} holds a NUL character, which can't be stored", field=field)


def _keys(kind: Kind, payload: object) -> tuple[str | None, Concurrency | None]:
    try:
        return kind.handler.coalesce_key(payload), kind.handler.concurrency(payload)
    except Exception as error:
        log.exception("a handler could not name its task's keys", kind=kind.handler.kind)
        message = f"the handler of {kind.handler.kind} could not name the keys of this payload: {error}"
        raise PayloadInvalid(message, field="task.payload") from error


def _title(kind: Kind, payload: object) -> str:
    try:
        return clean(kind.handler.title(payload), LONGEST_TITLE)
    except Exception:
        log.exception("a handler could not title its task", kind=kind.handler.kind)
        return ""


def check_priority(priority: int | None, field: str = "priority") -> None:
    """Raises `InvalidArgument`."""
    _within(priority, 0, HIGHEST_PRIORITY, "priority", field)


def _within(value: float | None, least: float, most: float, what: str, field: str) -> None:
    if value is not None and not least <= value <= most:
        raise InvalidArgument(f"{what} must be from {least} to {most}, not {value}", field=field)


def _has_nul(payload: bytes) -> bool:
    # The plain search first: the expression alone took a third of an admission.
    return b"\0" in payload or (b"\\u0000" in payload and ESCAPED_NUL.search(payload) is not None)


def read_request_id(text: str) -> UUID | None:
    """Raises `InvalidArgument`."""
    if not text:
        return None
    try:
        # Four times as quick as UUID(), which takes more forms.
        return msgspec.convert(text, UUID)
    except msgspec.ValidationError:
        pass
    try:
        return UUID(text)
    except ValueError:
        raise InvalidArgument(f"request_id {text[:50]!r} is not a UUID", field="request_id") from None


def _body_hash(request: Request, labels: bytes) -> bytes:
    # The due time is left out: it arrives as a delay, which a repeated call has less of.
    body = (request.kind, request.title, request.priority, request.pool, request.trigger, labels, request.payload)
    gates = (request.coalesce_key, request.concurrency, request.start_within, request.run_limit, request.silence_limit)
    after = sorted(set(request.after)) if request.after else ()
    whole = (body, request.attempts, request.pause, gates, after, request.after_success, request.parent)
    return hashlib.blake2b(encoded(whole), digest_size=16).digest()
