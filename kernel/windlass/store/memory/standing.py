"""What may hold a waiting task back, in memory."""

from __future__ import annotations

from windlass.core.agents import agent_of
from windlass.store.facts import Standing
from windlass.store.memory.agents import state_of
from windlass.store.memory.world import Place, World

MOST_AHEAD = 1_001


def standing(world: World, place: Place, *, is_claimed: bool) -> Standing:
    """Everything that may hold the task at `place` back."""
    live = [node for id_, node in world.nodes.items() if world.alive(id_)]
    serving = [node.facts for node in live if node.serves(place.pool)]
    taking = [facts for facts in serving if not facts.draining]
    agent = world.agents.get(agent_of(place.pool))
    pause = world.paused_kinds.get(place.kind)
    pool = world.pools.get(place.pool)
    twin = world.under_way(place.kind, place.coalesce_key) if place.coalesce_key is not None else None
    waits_for = world.dependencies.get(place.id, {})
    slot_key = None if is_claimed else place.slot_key  # it has its slot
    holders = sorted((h.slot or 0, h.place.id) for h in world.running.values() if h.place.slot_key == slot_key)
    known = {kind for facts in taking for kind in facts.kinds} - world.paused_kinds.keys()
    rivals = (p for p in world.ready.values() if p.pool == place.pool and p.kind in known)
    ready = (p for p in rivals if p.next_try_at <= world.now() and (p.start_by is None or p.start_by > world.now()))
    return Standing(
        id=place.id,
        kind=place.kind,
        pool=place.pool,
        priority=place.priority,
        seconds_to_due=max(0.0, (place.next_try_at - world.now()).total_seconds()),
        waits=place.waits or None,
        is_claimed=is_claimed,
        slots=pool.slots if pool else None,
        busy=tuple(sorted(i for i, h in world.running.items() if h.place.pool == place.pool and i != place.id)),
        pool_paused_by=pool.paused_by if pool else None,
        kind_paused_by=None if pause is None else pause.by,
        live_nodes=sum(node.agent is None for node in live),
        able_nodes=sum(place.kind in facts.kinds for facts in taking),
        draining_nodes=sum(place.kind in facts.kinds for facts in serving if facts.draining),
        slot_key=slot_key,
        slot_limit=None if is_claimed else place.slot_limit,
        key_holders=tuple(id_ for _, id_ in holders) if slot_key is not None else (),
        waits_for=tuple(sorted(other for other in waits_for if other not in world.over)),
        twin=twin.id if twin is not None and twin.id != place.id else None,
        ahead=min(MOST_AHEAD, sum(other.id != place.id and other.order < place.order for other in ready)),
        agent_state=None if agent is None else state_of(world, agent),
        agent_knows=agent is not None and any(kind.name == place.kind for kind in agent.facts.kinds),
        agent_seen_at=None if agent is None else world.nodes[agent.epoch].renewed_at,
    )
