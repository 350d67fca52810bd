"""Who works, on what: what the store knows of the cluster, with what this server knows of its own plugins."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from windlass.errors import KindNotFound, NodeNotFound, PoolNotFound
from windlass.host.json_schema import json_schema
from windlass.host.plugins import Kind, PluginFacts, Plugins
from windlass.host.process import our_version
from windlass.store.agents import AgentEntry, HostFacts, unknown_agent
from windlass.store.facts import TaskFacts
from windlass.store.lanes import LaneFacts
from windlass.store.port import Store
from windlass.store.roster import KindEntry, NodeEntry, PoolEntry
from windlass.store.statistics import DEPTH_CAP, Depth

AGENT = "agent "
"""What an agent's name as a node begins with."""
GONE_SECONDS = 3_600.0
"""So long a node that went is still listed."""


class PoolCard(msgspec.Struct, frozen=True):
    """`waiting`: what is due and waits for a slot, counted up to 10,000; `oldest`: seconds, None when nothing waits."""

    entry: PoolEntry
    waiting: int
    is_more: bool
    oldest: float | None


class KindCard(msgspec.Struct, frozen=True):
    """What this server has no handler for has no description, schema (JSON Schema as text), executor, plugin, role."""

    entry: KindEntry
    description: str = ""
    schema: bytes | None = None
    executor: str = ""
    plugin: str = ""
    role: str = ""


class ServerFacts(msgspec.Struct, frozen=True):
    """`ahead`: how many seconds this server's clock is before the store's; `node` is None while it has no lease."""

    version: str
    node: int | None
    started_at: datetime
    store_now: datetime
    ahead: float
    store: str
    plugins: Sequence[PluginFacts]


class Roster:
    """`epoch` gives this server's node."""

    def __init__(self, store: Store, plugins: Plugins, epoch: Callable[[], int | None]) -> None:
        self._store = store
        self._plugins = plugins
        self._epoch = epoch
        self._started_at = datetime.now(UTC)

    async def server(self) -> ServerFacts:
        asked = datetime.now(UTC)
        about = await self._store.roster.about()
        # The store looked at its clock somewhere between the question and the answer.
        middle = asked + (datetime.now(UTC) - asked) / 2
        ahead = (middle - about.now).total_seconds()
        node, plugins = self._epoch(), self._plugins.found
        return ServerFacts(our_version(), node, self._started_at, about.now, ahead, about.name, plugins)

    async def nodes(self) -> list[NodeEntry]:
        """Nodes that live, and those that went within the last hour; live ones first."""
        return await self._store.roster.nodes(GONE_SECONDS)

    async def node(self, node: int) -> NodeEntry:
        """Raises `NodeNotFound`, also for one that went more than an hour ago."""
        for entry in await self.nodes():
            if entry.id == node:
                return entry
        raise NodeNotFound(f"there is no node {node}", node=node)

    async def agents(self) -> list[AgentEntry]:
        """Every agent that ever joined, by id."""
        return await self._store.agents.agents()

    async def agent(self, id_: str) -> AgentEntry:
        """Raises `AgentNotFound`."""
        for entry in await self.agents():
            if entry.id == id_:
                return entry
        raise unknown_agent(id_)

    async def host(self, facts: TaskFacts) -> HostFacts | None:
        """Where an agent's task ran last, as it was then."""
        is_agents = facts.node is not None and facts.node.startswith(AGENT)
        return await self._store.agents.host(facts.id) if is_agents else None

    async def pools(self) -> list[PoolCard]:
        """By name."""
        entries = await self._store.roster.pools()
        depths = (await self._store.statistics.backlog()).depths
        return [_pool_card(entry, [depth for depth in depths if depth.pool == entry.name]) for entry in entries]

    async def pool(self, name: str) -> PoolCard:
        """Raises `PoolNotFound`."""
        for card in await self.pools():
            if card.entry.name == name:
                return card
        raise PoolNotFound(f"there is no pool {name!r}", pool=name)

    async def kinds(self) -> list[KindCard]:
        """Every kind that a node ever registered, by name."""
        return [_kind_card(entry, self._plugins.kinds.get(entry.name)) for entry in await self._store.roster.kinds()]

    async def kind(self, name: str) -> KindCard:
        """Raises `KindNotFound`."""
        for card in await self.kinds():
            if card.entry.name == name:
                return card
        raise KindNotFound(f"no node has ever known kind {name!r}", kind=name)

    async def lanes(self, after: str, limit: int) -> list[LaneFacts]:
        """A page of every lane there ever was, by name."""
        return await self._store.lanes.lanes(after, limit)


def first_words(documented: type) -> str:
    """The first paragraph of a class's own docstring, on one line."""
    # Not what it inherits: that tells of handlers in general.
    written = inspect.cleandoc(documented.__dict__.get("__doc__") or "")
    return " ".join(written.partition("\n\n")[0].split())


def _pool_card(entry: PoolEntry, depths: Sequence[Depth]) -> PoolCard:
    waiting = sum(depth.waiting for depth in depths)
    oldest = max((depth.oldest for depth in depths if depth.waiting), default=None)
    return PoolCard(entry, min(waiting, DEPTH_CAP), waiting > DEPTH_CAP, oldest)


def _kind_card(entry: KindEntry, kind: Kind | None) -> KindCard:
    if kind is None:
        return KindCard(entry)
    handler = kind.handler
    schema = json_schema(handler.payload_type)
    words, role = first_words(type(handler)), handler.role.name.lower()
    return KindCard(entry, words, schema, kind.executor_name, kind.plugin, role)
