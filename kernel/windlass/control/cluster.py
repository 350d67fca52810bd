"""The Cluster service: who works, on what, and how much at once."""

from __future__ import annotations

from typing import Any

from windlass_proto.v1 import agent_pb2, cluster_pb2, cluster_service_pb2, cluster_service_pb2_grpc

from windlass.control import convert_cluster, convert_workers, scope
from windlass.control.convert import read_id
from windlass.control.guard import caller
from windlass.control.notes import note
from windlass.control.paging import bounded, page_size, read_token, write_token
from windlass.control.status import answers
from windlass.control.values import read_name
from windlass.host.kernel import Kernel

CAPABILITIES = ("agents", "cluster", "drain", "operations", "reload", "schedules")


class ClusterServicer(cluster_service_pb2_grpc.ClusterServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._roster = kernel.roster
        self._valves = kernel.valves

    @answers
    async def GetServerInfo(
        self, request: cluster_service_pb2.GetServerInfoRequest, context: Any
    ) -> cluster_service_pb2.ServerInfo:
        return convert_cluster.server_info(await self._roster.server(), CAPABILITIES)

    @answers
    async def ListNodes(
        self, request: cluster_service_pb2.ListNodesRequest, context: Any
    ) -> cluster_service_pb2.ListNodesResponse:
        nodes = await self._roster.nodes()
        return cluster_service_pb2.ListNodesResponse(nodes=map(convert_cluster.node, nodes))

    @answers
    async def DrainNode(self, request: cluster_service_pb2.DrainNodeRequest, context: Any) -> cluster_pb2.Node:
        node = read_id(request.name, "nodes")
        await self._valves.drain_node(node, note(request, request.name, request.reason))
        return convert_cluster.node(await self._roster.node(node))

    @answers
    async def ResumeNode(self, request: cluster_service_pb2.ResumeNodeRequest, context: Any) -> cluster_pb2.Node:
        node = read_id(request.name, "nodes")
        await self._valves.resume_node(node, note(request, request.name, request.reason))
        return convert_cluster.node(await self._roster.node(node))

    @answers
    async def ListAgents(
        self, request: cluster_service_pb2.ListAgentsRequest, context: Any
    ) -> cluster_service_pb2.ListAgentsResponse:
        agents = await self._roster.agents()
        return cluster_service_pb2.ListAgentsResponse(agents=map(convert_workers.agent, agents))

    @answers
    async def GetAgent(self, request: cluster_service_pb2.GetAgentRequest, context: Any) -> agent_pb2.Agent:
        return await self._agent(read_name(request.name, "agents"))

    @answers
    async def DrainAgent(self, request: cluster_service_pb2.DrainAgentRequest, context: Any) -> agent_pb2.Agent:
        agent = read_name(request.name, "agents")
        await self._valves.drain_agent(agent, note(request, request.name, request.reason))
        return await self._agent(agent)

    @answers
    async def ResumeAgent(self, request: cluster_service_pb2.ResumeAgentRequest, context: Any) -> agent_pb2.Agent:
        agent = read_name(request.name, "agents")
        await self._valves.resume_agent(agent, note(request, request.name, request.reason))
        return await self._agent(agent)

    @answers
    async def ForgetAgent(self, request: cluster_service_pb2.ForgetAgentRequest, context: Any) -> agent_pb2.Agent:
        agent, noted = read_name(request.name, "agents"), note(request, request.name, request.reason)
        known = await self._agent(agent)
        await self._valves.forget_agent(agent, noted)
        return known

    @answers
    async def ListPools(
        self, request: cluster_service_pb2.ListPoolsRequest, context: Any
    ) -> cluster_service_pb2.ListPoolsResponse:
        pools = [pool for pool in await self._roster.pools() if scope.holds(pool.entry.name)]
        return cluster_service_pb2.ListPoolsResponse(pools=map(convert_cluster.pool, pools))

    @answers
    async def GetPool(self, request: cluster_service_pb2.GetPoolRequest, context: Any) -> cluster_pb2.Pool:
        return await self._pool(_pool_of(request))

    @answers
    async def ResizePool(self, request: cluster_service_pb2.ResizePoolRequest, context: Any) -> cluster_pb2.Pool:
        pool = _pool_of(request)
        await self._valves.resize(pool, request.slots, note(request, request.name, request.reason))
        return await self._pool(pool)

    @answers
    async def PausePool(self, request: cluster_service_pb2.PausePoolRequest, context: Any) -> cluster_pb2.Pool:
        pool, noted = _pool_of(request), note(request, request.name, request.reason)
        await self._valves.pause_pool(pool, caller.get().name, request.reason, noted)
        return await self._pool(pool)

    @answers
    async def ResumePool(self, request: cluster_service_pb2.ResumePoolRequest, context: Any) -> cluster_pb2.Pool:
        pool = _pool_of(request)
        await self._valves.resume_pool(pool, note(request, request.name, request.reason))
        return await self._pool(pool)

    @answers
    async def ListKinds(
        self, request: cluster_service_pb2.ListKindsRequest, context: Any
    ) -> cluster_service_pb2.ListKindsResponse:
        kinds = await self._roster.kinds()
        return cluster_service_pb2.ListKindsResponse(kinds=map(convert_cluster.kind, kinds))

    @answers
    async def GetKind(self, request: cluster_service_pb2.GetKindRequest, context: Any) -> cluster_pb2.Kind:
        return await self._kind(read_name(request.name, "kinds"))

    @answers
    async def PauseKind(self, request: cluster_service_pb2.PauseKindRequest, context: Any) -> cluster_pb2.Kind:
        kind, noted = read_name(request.name, "kinds"), note(request, request.name, request.reason)
        await self._valves.pause_kind(kind, caller.get().name, request.reason, noted)
        return await self._kind(kind)

    @answers
    async def ResumeKind(self, request: cluster_service_pb2.ResumeKindRequest, context: Any) -> cluster_pb2.Kind:
        kind = read_name(request.name, "kinds")
        await self._valves.resume_kind(kind, note(request, request.name, request.reason))
        return await self._kind(kind)

    @answers
    async def ListLanes(
        self, request: cluster_service_pb2.ListLanesRequest, context: Any
    ) -> cluster_service_pb2.ListLanesResponse:
        (after,) = read_token("lanes", request.page_token, tuple[str]) or ("",)

        async def read(size: int) -> cluster_service_pb2.ListLanesResponse:
            found = await self._roster.lanes(after, size + 1)
            last = (found[size - 1].name,) if len(found) > size else None
            return cluster_service_pb2.ListLanesResponse(
                lanes=map(convert_cluster.lane, found[:size]), next_page_token=write_token("lanes", last)
            )

        return await bounded(read, page_size(request.page_size, 50))

    @answers
    async def Reload(
        self, request: cluster_service_pb2.ReloadRequest, context: Any
    ) -> cluster_service_pb2.ReloadResponse:
        noted = note(request, "configuration", request.reason)
        done = await self._kernel.reload(noted)
        return cluster_service_pb2.ReloadResponse(changed=done.changed, waiting_for_restart=done.waiting)

    async def _agent(self, agent: str) -> agent_pb2.Agent:
        return convert_workers.agent(await self._roster.agent(agent))

    async def _pool(self, pool: str) -> cluster_pb2.Pool:
        return convert_cluster.pool(await self._roster.pool(pool))

    async def _kind(self, kind: str) -> cluster_pb2.Kind:
        return convert_cluster.kind(await self._roster.kind(kind))


def _pool_of(request: Any) -> str:
    """The pool that a request names; whether there is one is nothing for a caller who may not touch it."""
    pool = read_name(request.name, "pools")
    scope.check_pool(pool)
    return pool
