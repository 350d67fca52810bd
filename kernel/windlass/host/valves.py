"""What operators open and close: the slots of a pool, pauses of pools and kinds, and nodes that are drained.

Each is seen by every node within a second or two, by this one and those that hear its hint at once.
"""

from __future__ import annotations

from collections.abc import Callable

from windlass.config import MOST_SLOTS
from windlass.errors import InvalidArgument
from windlass.host.node import Node
from windlass.store.agents import Agents
from windlass.store.facts import Note
from windlass.store.pools import PoolFacts, Pools
from windlass.store.port import Cluster


class Valves:
    """`on_agent` is told of each agent that is drained, resumed or forgotten."""

    def __init__(self, pools: Pools, cluster: Cluster, agents: Agents, node: Node) -> None:
        self._pools = pools
        self._cluster = cluster
        self._agents = agents
        self._node = node
        self.on_agent: Callable[[str], None] = lambda _: None

    async def all(self) -> list[PoolFacts]:
        """Every pool, by name."""
        return await self._pools.look()

    async def resize(self, pool: str, slots: int, note: Note | None = None) -> None:
        """Raises `InvalidArgument` or `PoolNotFound`.  What runs beyond fewer slots runs on."""
        if not 0 <= slots <= MOST_SLOTS:
            raise InvalidArgument(f"slots must be from 0 to {MOST_SLOTS}, not {slots}", field="slots")
        await self._pools.resize(pool, slots, note)
        self._node.sharing.look()

    async def pause_pool(self, pool: str, by: str, reason: str = "", note: Note | None = None) -> None:
        """Raises `PoolNotFound`."""
        await self._pools.pause_pool(pool, by, reason, note)

    async def resume_pool(self, pool: str, note: Note | None = None) -> None:
        """Raises `PoolNotFound`."""
        await self._pools.resume_pool(pool, note)
        self._look()

    async def pause_kind(self, kind: str, by: str, reason: str = "", note: Note | None = None) -> None:
        """Raises `KindNotFound`."""
        await self._pools.pause_kind(kind, by, reason, note)

    async def resume_kind(self, kind: str, note: Note | None = None) -> None:
        """Raises `KindNotFound`."""
        await self._pools.resume_kind(kind, note)
        self._look()

    async def drain_node(self, node: int, note: Note | None = None) -> None:
        """It finishes what it runs and takes nothing more.  Raises `NodeNotFound` or `NodeGone`."""
        await self._cluster.drain(node, draining=True, note=note)
        self._node.leadership.look()

    async def resume_node(self, node: int, note: Note | None = None) -> None:
        """Raises `NodeNotFound` or `NodeGone`."""
        await self._cluster.drain(node, draining=False, note=note)
        self._node.leadership.look()

    async def drain_agent(self, agent: str, note: Note | None = None) -> None:
        """It finishes what it runs and takes nothing more, also after a restart.  Raises `AgentNotFound`."""
        await self._agents.drain(agent, draining=True, note=note)
        self.on_agent(agent)

    async def resume_agent(self, agent: str, note: Note | None = None) -> None:
        """Raises `AgentNotFound`."""
        await self._agents.drain(agent, draining=False, note=note)
        self.on_agent(agent)

    async def forget_agent(self, agent: str, note: Note | None = None) -> None:
        """Raises `AgentNotFound` or `AgentPresent`."""
        await self._agents.forget(agent, note)
        self.on_agent(agent)

    def _look(self) -> None:
        # A store does not hear its own hints.
        self._node.releaser.look()
        self._node.look()
