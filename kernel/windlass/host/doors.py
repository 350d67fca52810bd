"""Doors: plugins enqueue through them outside of a task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Unpack
from uuid import uuid4

import msgspec

from windlass.core.access import Role
from windlass.documents import Documents
from windlass.door import Door, Enqueued
from windlass.handler import Wishes
from windlass.host.admission import Admission, Caller, Request
from windlass.host.children import checked, encoded
from windlass.host.patience import patiently
from windlass.store.facts import NewTask, Receipt, Sort


class LiveDoor(Door):
    """Tasks made through it have this trigger, and are on behalf of `caller`; `store` stores one."""

    def __init__(
        self,
        admission: Admission,
        store: Callable[[NewTask], Awaitable[Receipt]],
        trigger: str,
        caller: Caller,
        documents: Documents,
    ) -> None:
        self._admission = admission
        self._store = store
        self._trigger = trigger
        # What a plugin makes by itself is its own doing: whoever called it need not be allowed to.
        self._caller = msgspec.structs.replace(caller, role=Role.ADMIN)
        self.documents = documents

    async def ask(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> Enqueued:
        asked: dict[str, Any] = {**checked(wishes)}
        if asked.pop("name", None) is not None:
            raise TypeError("only a child has a name; a coalesce_key folds what several ask for")
        asked = {"trigger": self._trigger, **asked, "after": tuple(asked.get("after", ()))}
        # An answer may be lost, and the question is then asked again.
        request_id = str(uuid4())
        request = Request(kind, payload=encoded(payload), request_id=request_id, **asked)
        task = self._admission.admit(request, self._caller)
        receipt = await patiently(lambda: self._store(task), "a task", trigger=self._trigger)
        return Enqueued(receipt.task, joined=receipt.sort is Sort.JOINED)
