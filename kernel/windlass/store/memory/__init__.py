"""The Store in memory: for tests of handlers, for the simulator, and as the second witness of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from windlass.store.memory.agents import MemoryAgents
from windlass.store.memory.audit import MemoryAudit
from windlass.store.memory.cluster import MemoryCluster
from windlass.store.memory.documents import MemoryDocuments
from windlass.store.memory.lanes import MemoryLanes
from windlass.store.memory.library import MemoryLibrary
from windlass.store.memory.pools import MemoryPools
from windlass.store.memory.queue import MemoryQueue
from windlass.store.memory.residents import MemoryResidents
from windlass.store.memory.roster import MemoryRoster
from windlass.store.memory.schedules import MemorySchedules
from windlass.store.memory.statistics import MemoryStatistics
from windlass.store.memory.survey import MemorySurvey
from windlass.store.memory.tokens import MemoryTokens
from windlass.store.memory.upkeep import MemoryUpkeep
from windlass.store.memory.world import World
from windlass.store.port import Store


class MemoryStore(Store):
    """One node's door to a world that it may share with others."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.queue = MemoryQueue(world, self)
        self.cluster = MemoryCluster(world, self)
        self.library = MemoryLibrary(world)
        self.pools = MemoryPools(world, self)
        self.schedules = MemorySchedules(world, self.queue, self)
        self.residents = MemoryResidents(world, self.queue)
        self.lanes = MemoryLanes(world, self)
        self.statistics = MemoryStatistics(world)
        self.survey = MemorySurvey(world, self.library, self.lanes)
        self.upkeep = MemoryUpkeep(world)
        self.documents = MemoryDocuments(world)
        self.audit = MemoryAudit(world)
        self.roster = MemoryRoster(world)
        self.tokens = MemoryTokens(world, self)
        self.agents = MemoryAgents(world, self)

    async def hints(self) -> AsyncIterator[str]:
        words: asyncio.Queue[str] = asyncio.Queue()
        self._world.listeners[self] = words
        try:
            yield ""
            while True:
                yield await words.get()
        finally:
            del self._world.listeners[self]

    async def ping(self) -> None:
        """It is always there."""

    async def close(self) -> None:
        """Nothing to give back."""


__all__ = ["MemoryStore", "World"]
