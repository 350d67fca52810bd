"""Tasks that a plugin makes outside of a task, through its doors: recorded, and not run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from windlass.door import Doors
from windlass.host.admission import Admission, Caller
from windlass.host.documents import Archive
from windlass.host.doors import LiveDoor
from windlass.host.operations import LiveCall
from windlass.host.plugins import Kind
from windlass.store.facts import NewTask, Receipt
from windlass.testing.watching import AnyKind


class Made(msgspec.Struct, frozen=True):
    """A task as it would be stored; `trigger` says which hook made it."""

    task: int
    kind: str
    payload: Any
    trigger: str
    initiator: str
    title: str
    priority: int
    coalesce_key: str | None
    delay: float


class Makes:
    """Gives doors out, and remembers what comes through them.  Kinds that nobody registered are taken as they come."""

    def __init__(self, kinds: Mapping[str, Kind], archive: Archive) -> None:
        self._archive = archive
        self._admission = Admission(AnyKind(kinds))
        self.made: list[Made] = []

    def doors(self, trigger: str, caller: Caller) -> Doors:
        return lambda plugin: LiveDoor(
            self._admission, self._store, trigger, caller, self._archive.of_caller(plugin, caller.name)
        )

    def call(self, plugin: str, caller: Caller, reason: str) -> LiveCall:
        documents = self._archive.of_caller(plugin, caller.name)
        return LiveCall(self._admission, self._store, caller, reason, documents)

    async def _store(self, task: NewTask) -> Receipt:
        words = (task.trigger, task.initiator, task.title, task.priority, task.coalesce_key, task.delay)
        self.made.append(Made(len(self.made) + 1, task.kind, msgspec.json.decode(task.payload), *words))
        return Receipt(len(self.made))
