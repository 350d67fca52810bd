"""Nodes, pools, kinds and lanes: the kernel's records as protobuf."""

from __future__ import annotations

from datetime import UTC

from windlass_proto.v1 import cluster_pb2, cluster_service_pb2, task_pb2

from windlass.control.paging import LARGEST_MESSAGE
from windlass.control.values import payload, span, timestamp
from windlass.host.plugins import PluginFacts
from windlass.host.roster import KindCard, PoolCard, ServerFacts
from windlass.store.lanes import LaneFacts, Standing
from windlass.store.roster import NodeEntry, Pause


def server_info(facts: ServerFacts, capabilities: tuple[str, ...]) -> cluster_service_pb2.ServerInfo:
    return cluster_service_pb2.ServerInfo(
        version=facts.version,
        node="" if facts.node is None else f"nodes/{facts.node}",
        start_time=timestamp(facts.started_at),
        store_time=timestamp(facts.store_now.astimezone(UTC)),
        clock_offset=span(facts.ahead),
        store=facts.store,
        plugins=map(_plugin, facts.plugins),
        capabilities=capabilities,
        largest_message=LARGEST_MESSAGE,
    )


def _plugin(facts: PluginFacts) -> cluster_pb2.Plugin:
    return cluster_pb2.Plugin(name=facts.name, version=facts.version, error=facts.error, kinds=facts.kinds)


def node(entry: NodeEntry) -> cluster_pb2.Node:
    return cluster_pb2.Node(
        name=f"nodes/{entry.id}",
        display_name=entry.name,
        state=int(entry.state),  # type: ignore[arg-type]
        version=entry.version,
        join_time=timestamp(entry.joined_at),
        renew_time=timestamp(entry.renewed_at),
        expire_time=timestamp(entry.expires_at),
        is_leader=entry.is_leader,
        kinds=entry.kinds,
        running=entry.running,
        shares=[cluster_pb2.Share(pool=one.pool, slots=one.slots, in_use=one.in_use) for one in entry.shares],
    )


def pool(card: PoolCard) -> cluster_pb2.Pool:
    return cluster_pb2.Pool(
        name=f"pools/{card.entry.name}",
        slots=card.entry.slots,
        in_use=card.entry.in_use,
        pause=_pause(card.entry.pause),
        waiting=card.waiting,
        is_more=card.is_more,
        oldest_wait=span(card.oldest),
    )


def kind(card: KindCard) -> cluster_pb2.Kind:
    entry = card.entry
    return cluster_pb2.Kind(
        name=f"kinds/{entry.name}",
        description=card.description,
        payload_schema=payload(card.schema),
        pool=entry.pool,
        retry=task_pb2.RetryPolicy(attempts=entry.attempts, pause=span(entry.retry_pause)),
        executor=card.executor,
        plugin=card.plugin,
        pause=_pause(entry.pause),
        nodes=entry.nodes,
        role=card.role,
    )


def lane(facts: LaneFacts) -> cluster_pb2.Lane:
    return cluster_pb2.Lane(
        name=f"lanes/{facts.name}",
        fence=facts.fence,
        holder=None if facts.holder is None else _standing(facts.holder),
        waiters=map(_standing, facts.waiters),
    )


def _standing(facts: Standing) -> cluster_pb2.LaneStanding:
    # Whom the caller may not see is there without a name.
    task = f"tasks/{facts.task}" if facts.task else ""
    since = timestamp(facts.since)
    return cluster_pb2.LaneStanding(task=task, attempt=facts.attempt, node=facts.node or "", since=since)


def _pause(facts: Pause | None) -> cluster_pb2.Pause | None:
    return None if facts is None else cluster_pb2.Pause(by=facts.by, reason=facts.reason, time=timestamp(facts.at))
