"""Lets blocked tasks go as soon as this node has ended what they may have waited for.

A hint only: the leader looks once a second, whatever happened.
"""

from __future__ import annotations

from collections.abc import Callable

from windlass.host.service import Bell, Service
from windlass.store.port import Queue


class Releaser(Service):
    def __init__(self, queue: Queue, on_released: Callable[[], None]) -> None:
        self._queue = queue
        self._on_released = on_released
        self._bell = Bell()

    def look(self) -> None:
        """A gate may have opened."""
        self._bell.ring()

    async def run(self) -> None:
        while True:
            await self._bell.wait(None)
            if await self._queue.release():
                self._on_released()
