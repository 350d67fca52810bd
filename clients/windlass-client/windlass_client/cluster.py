"""`client.cluster`: who works, on what, and how much at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from windlass_proto.v1 import cluster_service_pb2, cluster_service_pb2_grpc

from windlass_client.connection import Connection
from windlass_client.paging import Page, all_items
from windlass_client.reading import Name, read
from windlass_client.resources import Host


class NodeState(StrEnum):
    """DRAINING: it takes no more tasks.  LEFT: in good order.  LOST: its lease ran out."""

    UNSPECIFIED = "UNSPECIFIED"
    LIVE = "LIVE"
    DRAINING = "DRAINING"
    LEFT = "LEFT"
    LOST = "LOST"


@dataclass(frozen=True, slots=True)
class Share:
    """What a node may fill of a pool."""

    pool: str
    slots: int
    in_use: int


@dataclass(frozen=True, slots=True)
class Node:
    """A kernel process with a live lease, or one that left within the last hour; `display_name` is `host/pid`."""

    id: int
    display_name: str
    state: NodeState
    version: str
    join_time: datetime | None
    renew_time: datetime | None
    expire_time: datetime | None
    is_leader: bool
    kinds: tuple[str, ...]
    running: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Pause:
    """Something starts no tasks: who paused it, why, since when."""

    by: str
    reason: str
    time: datetime | None


@dataclass(frozen=True, slots=True)
class Pool:
    """A named set of worker slots, over all nodes.

    waiting: due tasks without a slot, counted up to 10,000 (`is_more`: there are more).  oldest_wait: seconds.
    """

    name: Name
    slots: int
    in_use: int
    pause: Pause | None
    waiting: int
    is_more: bool
    oldest_wait: float | None


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often in all, and seconds between attempts."""

    attempts: int
    pause: float


@dataclass(frozen=True, slots=True)
class Kind:
    """What a handler does; `payload_schema` is a JSON Schema, None when this server has no handler for it.

    `role` is the least that may enqueue it; empty when this server has no handler.
    """

    name: Name
    description: str
    payload_schema: Any
    pool: str
    retry: RetryPolicy
    executor: str
    plugin: str
    pause: Pause | None
    nodes: int
    role: str


@dataclass(frozen=True, slots=True)
class LaneStanding:
    """An attempt that holds a lane, or waits for it."""

    task: int
    attempt: int
    node: str
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Lane:
    """A named single-writer resource; `holder` is None when it is free, `waiters` are in the order of their turns."""

    name: Name
    fence: int
    holder: LaneStanding | None
    waiters: tuple[LaneStanding, ...]


@dataclass(frozen=True, slots=True)
class Plugin:
    """`error` says why it is quarantined; empty when it works."""

    name: str
    version: str
    error: str
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """clock_offset: seconds that the server's clock is ahead of the store's.  largest_message: bytes."""

    version: str
    node: int | None
    start_time: datetime | None
    store_time: datetime | None
    clock_offset: float
    store: str
    plugins: tuple[Plugin, ...]
    capabilities: tuple[str, ...]
    largest_message: int


@dataclass(frozen=True, slots=True)
class Reloaded:
    """Keys of the configuration: whose new value is in use, and whose waits for a restart."""

    changed: tuple[str, ...]
    waiting_for_restart: tuple[str, ...]


class AgentState(StrEnum):
    """DRAINING: it takes no more tasks until it is resumed.  AWAY: it has no live lease; work for its pool waits."""

    UNSPECIFIED = "UNSPECIFIED"
    LIVE = "LIVE"
    DRAINING = "DRAINING"
    AWAY = "AWAY"


@dataclass(frozen=True, slots=True)
class AgentPool:
    """How much an agent takes of a pool at most."""

    pool: str
    slots: int


@dataclass(frozen=True, slots=True)
class Agent:
    """A worker process on a host of its own; `peer` is where it called from, `server` whom, `node` its epoch."""

    name: Name
    state: AgentState
    node: int | None
    version: str
    host: Host | None
    labels: Mapping[str, str]
    pools: tuple[AgentPool, ...]
    kinds: tuple[str, ...]
    create_time: datetime | None
    join_time: datetime | None
    last_seen_time: datetime | None
    expire_time: datetime | None
    peer: str
    server: str
    running: int


class Cluster:
    """Names are plain: `default`, not `pools/default`.  Whatever changes something takes a reason for the audit log."""

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call
        self._stub = cluster_service_pb2_grpc.ClusterStub(connection.channel)

    async def info(self) -> ServerInfo:
        """What this server is and can do."""
        return read(ServerInfo, await self._call(self._stub.GetServerInfo, cluster_service_pb2.GetServerInfoRequest()))

    async def nodes(self) -> list[Node]:
        """Live ones first, then those that went within the last hour."""
        reply = await self._call(self._stub.ListNodes, cluster_service_pb2.ListNodesRequest())
        return [read(Node, each) for each in reply.nodes]

    async def drain(self, node: int, reason: str = "") -> Node:
        """Lets a node finish what it runs and take nothing more, until it is ended or resumed."""
        request = cluster_service_pb2.DrainNodeRequest(name=f"nodes/{node}", reason=reason)
        return read(Node, await self._call(self._stub.DrainNode, request))

    async def resume_node(self, node: int, reason: str = "") -> Node:
        request = cluster_service_pb2.ResumeNodeRequest(name=f"nodes/{node}", reason=reason)
        return read(Node, await self._call(self._stub.ResumeNode, request))

    async def agents(self) -> list[Agent]:
        """Every agent that ever joined, by name."""
        reply = await self._call(self._stub.ListAgents, cluster_service_pb2.ListAgentsRequest())
        return [read(Agent, each) for each in reply.agents]

    async def agent(self, name: str) -> Agent:
        request = cluster_service_pb2.GetAgentRequest(name=f"agents/{name}")
        return read(Agent, await self._call(self._stub.GetAgent, request))

    async def drain_agent(self, name: str, reason: str = "") -> Agent:
        """Lets an agent finish what it runs and take nothing more, also after its restart, until it is resumed."""
        request = cluster_service_pb2.DrainAgentRequest(name=f"agents/{name}", reason=reason)
        return read(Agent, await self._call(self._stub.DrainAgent, request))

    async def resume_agent(self, name: str, reason: str = "") -> Agent:
        request = cluster_service_pb2.ResumeAgentRequest(name=f"agents/{name}", reason=reason)
        return read(Agent, await self._call(self._stub.ResumeAgent, request))

    async def forget_agent(self, name: str, reason: str = "") -> Agent:
        """Takes an agent that is away out of all lists; what was known of it.  Tasks for its own pool go on waiting."""
        request = cluster_service_pb2.ForgetAgentRequest(name=f"agents/{name}", reason=reason)
        return read(Agent, await self._call(self._stub.ForgetAgent, request))

    async def pools(self) -> list[Pool]:
        """By name."""
        reply = await self._call(self._stub.ListPools, cluster_service_pb2.ListPoolsRequest())
        return [read(Pool, each) for each in reply.pools]

    async def pool(self, name: str) -> Pool:
        request = cluster_service_pb2.GetPoolRequest(name=f"pools/{name}")
        return read(Pool, await self._call(self._stub.GetPool, request))

    async def resize(self, pool: str, slots: int, reason: str = "") -> Pool:
        """Everywhere and at once; what runs beyond fewer slots runs on."""
        request = cluster_service_pb2.ResizePoolRequest(name=f"pools/{pool}", slots=slots, reason=reason)
        return read(Pool, await self._call(self._stub.ResizePool, request))

    async def pause_pool(self, name: str, reason: str = "") -> Pool:
        """Starts nothing more there; what runs goes on."""
        request = cluster_service_pb2.PausePoolRequest(name=f"pools/{name}", reason=reason)
        return read(Pool, await self._call(self._stub.PausePool, request))

    async def resume_pool(self, name: str, reason: str = "") -> Pool:
        request = cluster_service_pb2.ResumePoolRequest(name=f"pools/{name}", reason=reason)
        return read(Pool, await self._call(self._stub.ResumePool, request))

    async def kinds(self) -> list[Kind]:
        """By name."""
        reply = await self._call(self._stub.ListKinds, cluster_service_pb2.ListKindsRequest())
        return [read(Kind, each) for each in reply.kinds]

    async def kind(self, name: str) -> Kind:
        request = cluster_service_pb2.GetKindRequest(name=f"kinds/{name}")
        return read(Kind, await self._call(self._stub.GetKind, request))

    async def pause_kind(self, name: str, reason: str = "") -> Kind:
        """Starts no more tasks of this kind; what runs goes on."""
        request = cluster_service_pb2.PauseKindRequest(name=f"kinds/{name}", reason=reason)
        return read(Kind, await self._call(self._stub.PauseKind, request))

    async def resume_kind(self, name: str, reason: str = "") -> Kind:
        request = cluster_service_pb2.ResumeKindRequest(name=f"kinds/{name}", reason=reason)
        return read(Kind, await self._call(self._stub.ResumeKind, request))

    async def lanes(self) -> list[Lane]:
        """Every lane there ever was, by name."""
        return [lane async for lane in all_items(self._lanes)]

    async def _lanes(self, page_token: str) -> Page[Lane]:
        request = cluster_service_pb2.ListLanesRequest(page_size=1_000, page_token=page_token)
        reply = await self._call(self._stub.ListLanes, request)
        return Page(tuple(read(Lane, each) for each in reply.lanes), reply.next_page_token)

    async def reload(self, reason: str = "") -> Reloaded:
        """Reads this server's configuration again; InvalidArgument, and nothing changed, when it is not valid."""
        request = cluster_service_pb2.ReloadRequest(reason=reason)
        return read(Reloaded, await self._call(self._stub.Reload, request))
