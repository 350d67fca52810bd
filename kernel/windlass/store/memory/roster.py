"""Who works, on what, in memory."""

from __future__ import annotations

from windlass.store.memory.world import Member, World
from windlass.store.roster import About, KindEntry, NodeEntry, NodeState, PoolEntry, Roster, ShareEntry


class MemoryRoster(Roster):
    def __init__(self, world: World) -> None:
        self._world = world

    async def nodes(self, gone: float) -> list[NodeEntry]:
        world, oldest = self._world, self._world.ago(gone)
        servers = [(id_, one) for id_, one in sorted(world.nodes.items()) if one.agent is None]
        seen = [(id_, one) for id_, one in servers if (one.left_at or one.expires_at) > oldest]
        return [self._node(id_, one) for id_, one in sorted(seen, key=lambda pair: not world.alive(pair[0]))]

    async def pools(self) -> list[PoolEntry]:
        started = [held.place.pool for held in self._world.running.values() if held.started_at is not None]
        return [
            PoolEntry(name, pool.slots, started.count(name), pool.pause)
            for name, pool in sorted(self._world.pools.items())
        ]

    async def kinds(self) -> list[KindEntry]:
        world = self._world
        live = [member.facts for id_, member in world.nodes.items() if world.alive(id_)]
        return [
            KindEntry(
                *(name, facts.pool, facts.attempts, facts.pause, world.paused_kinds.get(name)),
                sum(name in node.kinds for node in live),
            )
            for name, facts in sorted(world.known_kinds.items())
        ]

    async def about(self) -> About:
        return About(self._world.now(), "memory")

    def _node(self, id_: int, member: Member) -> NodeEntry:
        world, facts = self._world, member.facts
        is_live = world.alive(id_)
        shares = sorted((pool, share) for (pool, node), share in world.shares.items() if node == id_ and is_live)
        leads = world.leader is not None and world.leader.node == id_ and world.leader.expires_at > world.now()
        return NodeEntry(
            id=id_,
            name=facts.name,
            version=facts.version,
            state=_state(member, is_live=is_live),
            joined_at=member.joined_at,
            renewed_at=member.renewed_at,
            expires_at=member.expires_at,
            is_leader=is_live and leads,
            kinds=facts.kinds,
            running=sum(held.node == id_ for held in world.running.values()),
            shares=tuple(ShareEntry(pool, share.slots, share.in_use) for pool, share in shares),
        )


def _state(member: Member, *, is_live: bool) -> NodeState:
    if is_live:
        return NodeState.DRAINING if member.facts.draining else NodeState.LIVE
    return NodeState.LEFT if member.left_at is not None and not member.is_lost else NodeState.LOST
