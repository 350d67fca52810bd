"""The leader's tick: moves due tasks to where they can be claimed, lets blocked ones go, and fails those that are late.

It sleeps to the next due time, at most a second.
"""

from __future__ import annotations

from collections.abc import Callable

from windlass.host.service import Bell, Service
from windlass.store.facts import Membership
from windlass.store.port import Queue

AT_ONCE = 1_000
LONGEST_SLEEP = 1.0
"""A retry on another node gives no hint of when it is due, so the leader looks this often."""


class Promoter(Service):
    def __init__(
        self, queue: Queue, membership: Callable[[], Membership | None], on_promoted: Callable[[], None]
    ) -> None:
        self._queue = queue
        self._membership = membership
        self._on_promoted = on_promoted
        self._bell = Bell()

    def look(self) -> None:
        """Something due soon may have been added."""
        self._bell.ring()

    async def run(self) -> None:
        while True:
            sleep = LONGEST_SLEEP
            if membership := self._membership():
                sleep = await self._tick(membership)
            if sleep:
                await self._bell.wait(sleep)

    async def _tick(self, membership: Membership) -> float:
        promoted = await self._queue.promote(membership, AT_ONCE)
        if promoted is None:
            return LONGEST_SLEEP
        moved = promoted.moved
        if promoted.has_late:
            await self._queue.expire(membership, AT_ONCE)
        if promoted.has_blocked:
            moved += await self._queue.release(AT_ONCE)
        if moved:
            self._on_promoted()
        next_due = promoted.next_due
        return LONGEST_SLEEP if next_due is None else min(max(next_due, 0.0), LONGEST_SLEEP)
