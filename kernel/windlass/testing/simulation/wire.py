"""The wire between a node and the store: slow, and sometimes it loses the question or the answer.

A lost question never reached the store; a lost answer was committed.  The node sees `StoreUnavailable` for both.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

from windlass.errors import StoreUnavailable, WindlassError
from windlass.store.port import Store


class Wire:
    """One node's.  `cut` for good when its process is killed; silent until `stalled_until` while it is stopped."""

    def __init__(self, chance: random.Random, faults: Counter[str], loss: float) -> None:
        self._chance = chance
        self._faults = faults
        self.loss = loss
        self.is_cut = False
        self.stalled_until = 0.0

    async def carry(self, name: str, perform: Callable[[], Any]) -> Any:
        await self.travel()
        if self._chance.random() < self.loss:
            self._faults["question lost"] += 1
            raise StoreUnavailable(f"simulated: {name} did not arrive")
        try:
            answer = perform()
            answer = await answer if asyncio.iscoroutine(answer) else answer
        except WindlassError:
            await self.travel()
            raise
        await self.travel()
        if self._chance.random() < self.loss:
            self._faults["answer lost"] += 1
            raise StoreUnavailable(f"simulated: the answer to {name} was lost")
        return answer

    async def travel(self) -> None:
        """One way; never arrives when the wire is cut."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._chance.expovariate(500))
        if loop.time() < self.stalled_until:
            await asyncio.sleep(self.stalled_until - loop.time())
        if self.is_cut:
            await loop.create_future()


class _Part:
    """A Queue, Cluster, Library or Lanes at the other end of the wire."""

    def __init__(self, part: Any, wire: Wire) -> None:
        self._part = part
        self._wire = wire

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._part, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await self._wire.carry(name, lambda: method(*args, **kwargs))

        return call


class WiredStore(Store):
    def __init__(self, store: Store, wire: Wire) -> None:
        self._store = store
        self._wire = wire
        self.queue: Any = _Part(store.queue, wire)
        self.cluster: Any = _Part(store.cluster, wire)
        self.library: Any = _Part(store.library, wire)
        self.pools: Any = _Part(store.pools, wire)
        self.schedules: Any = _Part(store.schedules, wire)
        self.residents: Any = _Part(store.residents, wire)
        self.documents: Any = _Part(store.documents, wire)
        self.lanes: Any = _Part(store.lanes, wire)
        self.statistics: Any = _Part(store.statistics, wire)
        self.upkeep: Any = _Part(store.upkeep, wire)
        self.audit: Any = _Part(store.audit, wire)
        self.tokens: Any = _Part(store.tokens, wire)
        self.agents: Any = _Part(store.agents, wire)
        self.roster: Any = _Part(store.roster, wire)
        self.survey: Any = _Part(store.survey, wire)

    async def hints(self) -> AsyncIterator[str]:
        async for word in self._store.hints():
            await self._wire.travel()
            yield word

    async def ping(self) -> None:
        await self._wire.carry("ping", self._store.ping)

    async def close(self) -> None:
        """Nothing to give back."""
