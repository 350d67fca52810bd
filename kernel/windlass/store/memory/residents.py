"""Residents, in memory."""

from __future__ import annotations

from collections.abc import Sequence

from windlass.store.facts import Membership, Receipt
from windlass.store.memory.world import World
from windlass.store.port import Queue
from windlass.store.residents import Residents, ResidentTask


class MemoryResidents(Residents):
    def __init__(self, world: World, queue: Queue) -> None:
        self._world = world
        self._queue = queue

    async def keep(self, membership: Membership, residents: Sequence[ResidentTask]) -> list[Receipt]:
        world = self._world
        if not world.leads(membership.node, membership.term):
            return []
        idle = [each for each in residents if self._is_idle(each)]
        receipts = await self._queue.enqueue([each.task for each in idle])
        world.residents |= {(e.task.kind, e.key): receipt.task for e, receipt in zip(idle, receipts, strict=True)}
        return receipts

    def _is_idle(self, resident: ResidentTask) -> bool:
        task = self._world.residents.get((resident.task.kind, resident.key))
        return task is None or task in self._world.over
