"""Children: tasks that a running attempt makes.

They are on behalf of whoever the parent is: what a person started stays his, however many tasks it becomes, and what
the scheduler started stays the system's.  The trigger says that a parent made them, unless he names another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol
from uuid import UUID, uuid4, uuid5

import msgspec

from windlass.errors import RequestIdReused
from windlass.handler import Wishes
from windlass.host.admission import Caller, Request
from windlass.host.patience import patiently
from windlass.store.facts import Claimed, NewTask, Parent, Receipt
from windlass.store.port import Queue

NAMES = UUID("6a2f3f4e-5d0b-4f0c-9a63-0f4bb7a3c1de")
"""The namespace of children's names."""


class Admits(Protocol):
    def admit(self, request: Request, caller: Caller) -> NewTask: ...


class Children:
    """`on_stored` is told which tasks are stored now."""

    def __init__(self, admission: Admits, queue: Queue, on_stored: Callable[[Sequence[NewTask]], None]) -> None:
        self._admission = admission
        self._queue = queue
        self._on_stored = on_stored

    async def make(self, parent: Claimed, node: int, kind: str, payload: object, wishes: Mapping[str, Any]) -> int:
        """The child's id; see `Context.enqueue` for what is raised."""
        request = child_request(parent, kind, payload, checked(wishes))
        try:
            receipt = await self.store(parent, node, request)
        except RequestIdReused as error:
            raise named_twice(parent, wishes, error) from error
        return receipt.task

    async def store(self, parent: Claimed, node: int, request: Request) -> Receipt:
        """Store a child of `child_request`'s making, on behalf of whoever its parent is."""
        child = self._child(parent, request)
        receipt = await self._store(Parent(parent.id, parent.attempt, node), child)
        if not receipt.repeated:
            self._on_stored([child])
        return receipt

    def _child(self, parent: Claimed, request: Request) -> NewTask:
        child = self._admission.admit(request, Caller(parent.initiator, parent.origin))
        if child.trace is None:
            child = msgspec.structs.replace(child, trace=parent.trace)
        # Not in the request: a parent that was reprioritised between its attempts asks for the same.
        return child if request.priority is not None else msgspec.structs.replace(child, priority=parent.priority)

    async def _store(self, parent: Parent, child: NewTask) -> Receipt:
        [receipt] = await patiently(
            lambda: self._queue.enqueue_children(parent, [child]), "a child", parent=parent.task
        )
        return receipt


def child_request(parent: Claimed, kind: str, payload: object, wishes: Wishes) -> Request:
    """What a child of `parent` is asked for with."""
    name = wishes.pop("name", None)
    # Without a name too: an answer may be lost, and the question is then asked again.
    request_id = uuid4() if name is None else uuid5(NAMES, f"{parent.id}/{name}")
    asked: dict[str, Any] = {"trigger": "parent", **wishes, "after": tuple(wishes.get("after", ()))}
    return Request(
        kind=kind,
        payload=encoded(payload),
        parent=parent.id,
        request_id=str(request_id),
        **asked,
    )


def named_twice(parent: Claimed, wishes: Mapping[str, Any], error: RequestIdReused) -> RequestIdReused:
    """The error for a child whose name was another's before."""
    named = f"task {parent.id} has made another child by the name {wishes.get('name')!r} before"
    return RequestIdReused(f"{named}: name each child of its own", field="name", **error.facts)


def encoded(payload: object) -> bytes:
    """The JSON of a payload.  Raises `TypeError` for what JSON can't say."""
    return payload if isinstance(payload, bytes) else msgspec.json.encode({} if payload is None else payload)


def checked(wishes: Mapping[str, Any]) -> Wishes:
    """A copy of the wishes.  Raises `TypeError` for those there are none of, and for what does not fit them."""
    unknown = wishes.keys() - Wishes.__annotations__.keys()
    if unknown:
        known = ", ".join(Wishes.__annotations__)
        raise TypeError(f"a child can't be asked for {', '.join(sorted(unknown))}; there are {known}")
    try:
        return msgspec.convert(dict(wishes), Wishes)
    except msgspec.ValidationError as error:
        raise TypeError(f"what is asked of a child does not fit: {error}") from error
