"""What a plugin may ask of the kernel outside of a task: in hooks that are handed a `Door`, and in operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Unpack

import msgspec

from windlass.documents import Documents
from windlass.handler import Wishes


class Enqueued(msgspec.Struct, frozen=True):
    """`task` serves the request.  `joined`: it was there already, and what was asked for became a part of it."""

    task: int
    joined: bool = False


class Door(ABC):
    """Whoever is handed one keeps it no longer than the call it came with."""

    documents: Documents
    """Those of the plugin it was handed to."""

    async def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        """Make a task; its id, once it is stored.  Its trigger says which hook made it.

        `payload` and the wishes are those of `Context.enqueue`, but for `name`: there is no attempt that could ask
        again.  Each call makes a task, on every server; with a `coalesce_key` those of several become one.

        Raises `UnknownKind`, `PayloadInvalid` and their kin for what can't be enqueued.  While the store is away it
        waits.
        """
        return (await self.ask(kind, payload, **wishes)).task

    @abstractmethod
    async def ask(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> Enqueued:
        """As `enqueue`, for who wants to know whether the request joined a task that was there already."""


Doors = Callable[[str], Door]
"""The door of a plugin, by its name."""
