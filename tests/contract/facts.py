"""Facts that the store's tests begin with."""

from __future__ import annotations

from typing import Any

from windlass.store.facts import NewTask, NodeFacts
from windlass.store.port import Store

LEASE = 30.0


def new_task(**changes: Any) -> NewTask:
    """A task that is due at once; `changes` are fields of `NewTask`."""
    fields = {
        "kind": "Noop",
        "title": "",
        "priority": 5,
        "pool": "default",
        "trigger": "api",
        "origin": 1,
        "initiator": "ada",
        "labels": "{}",
        "payload": '{"i": 1}',
    }
    return NewTask(**(fields | changes))


async def node_of(store: Store, *, name: str = "host/1", lease: float = LEASE, machine: str = "m", pid: int = 1) -> int:
    """A node that has just joined."""
    return await store.cluster.join(NodeFacts(name, machine, pid, 1, ("Noop",)), lease)
