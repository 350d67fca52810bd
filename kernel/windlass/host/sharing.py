"""This node's share of each pool: asked for as nodes come and go, and as work does (core/shares.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from windlass.core.shares import is_unsettled, may_fill
from windlass.host.dispatcher import Dispatcher
from windlass.host.service import Bell, Service
from windlass.store.pools import PoolFacts, Pools

GIVING_BACK_SECONDS = 0.2
BUSY_SECONDS = 1.0
IDLE_SECONDS = 2.0


class Guests(Protocol):
    """Others who settle their shares through this node (host/agents/sharing.py)."""

    @property
    def full(self) -> set[str]: ...
    async def settle(self, looked: Sequence[PoolFacts]) -> None: ...


class Sharing(Service):
    """`node` gives the present epoch.  `known` are the names of all pools, this node's or not."""

    def __init__(
        self, pools: Pools, dispatchers: Sequence[Dispatcher], kinds: Sequence[str], node: Callable[[], int | None]
    ) -> None:
        self._pools = pools
        self._dispatchers = {dispatcher.pool: dispatcher for dispatcher in dispatchers}
        self._kinds = list(kinds)
        self._node = node
        self._bell = Bell()
        self.known = set(self._dispatchers)
        self.guests: Guests | None = None

    def look(self) -> None:
        """A pool's slots, or the nodes that share it, may have changed."""
        self._bell.ring()

    async def run(self) -> None:
        while True:
            await self.settle()
            await self._bell.wait(self._pause())

    def _pause(self) -> float:
        dispatchers = self._dispatchers.values()
        if any(dispatcher.executing > dispatcher.slots for dispatcher in dispatchers):
            return GIVING_BACK_SECONDS
        return BUSY_SECONDS if any(dispatcher.executing for dispatcher in dispatchers) else IDLE_SECONDS

    async def settle(self) -> None:
        """Ask for the share of each pool where something has changed."""
        node = self._node()
        if node is None:
            return
        full = {pool for pool, dispatcher in self._dispatchers.items() if dispatcher.is_full}
        if self.guests is not None:
            full |= self.guests.full
        looked = await self._pools.look(sorted(full), self._kinds)
        for facts in looked:
            self.known.add(facts.name)
            if dispatcher := self._dispatchers.get(facts.name):
                await self._ask(node, dispatcher, facts)
        if self.guests is not None:
            await self.guests.settle(looked)

    async def _ask(self, node: int, dispatcher: Dispatcher, facts: PoolFacts) -> None:
        hungry = dispatcher.is_full and (facts.has_due or bool(dispatcher.waiting()))
        in_use = dispatcher.executing
        if is_unsettled(node, facts.slots, facts.shares, in_use, hungry=hungry):
            # What may be given back must not be filled while the answer is on its way.
            dispatcher.hold(in_use)
            share = await self._pools.share(node, facts.name, in_use, hungry=hungry)
        else:
            share = may_fill(node, facts.slots, facts.shares)
        if node == self._node():
            dispatcher.resize(share)
