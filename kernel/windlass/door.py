"""What a plugin may ask of the kernel outside of a task: in hooks that are handed a `Door`, and in operations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Unpack

from windlass.documents import Documents
from windlass.handler import Wishes


class Door(ABC):
    """Whoever is handed one keeps it no longer than the call it came with."""

    documents: Documents
    """Those of the plugin it was handed to."""

    @abstractmethod
    async def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        """Make a task; its id, once it is stored.  Its trigger says which hook made it.

        `payload` and the wishes are those of `Context.enqueue`, but for `name`: there is no attempt that could ask
        again.  Each call makes a task, on every server; with a `coalesce_key` those of several become one.

        Raises `UnknownKind`, `PayloadInvalid` and their kin for what can't be enqueued.  While the store is away it
        waits.
        """


Doors = Callable[[str], Door]
"""The door of a plugin, by its name."""
