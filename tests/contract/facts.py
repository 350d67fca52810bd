"""Facts that the store's tests begin with, and short ways to ask for what they need."""

from __future__ import annotations

from typing import Any

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import (
    Asked,
    Claimed,
    Ended,
    EventFacts,
    Membership,
    NewTask,
    NodeFacts,
    Receipt,
    Said,
    TaskFacts,
    Watched,
)
from windlass.store.port import Store

from tests.waiting import eventually

LEASE = 30.0
SHORT = 0.05
"""A lease, or a delay, that a test waits for."""
BEFORE = 0.5
"""One before whose end a test still does something, on a busy machine too."""


def new_task(**changes: Any) -> NewTask:
    """A task that is due at once; `changes` are fields of `NewTask`."""
    fields: dict[str, Any] = {
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


async def stored(store: Store, count: int = 1, **changes: Any) -> list[int]:
    """The ids of so many new tasks."""
    return [receipt.task for receipt in await store.queue.enqueue([new_task(**changes)] * count)]


async def claim(store: Store, node: int, limit: int = 1_000, *, pool: str = "default") -> list[Claimed]:
    """What `node` gets, best first."""
    claimed = await store.queue.claim(node, pool, ["Noop"], limit)
    return sorted(claimed, key=lambda c: (-c.priority, c.next_try_at, c.id))


async def put(store: Store, key: str | None = "k", **changes: Any) -> Receipt:
    """The receipt of one request under a coalesce key."""
    [receipt] = await store.queue.enqueue([new_task(coalesce_key=key, **changes)])
    return receipt


async def taken(store: Store, node: int, limit: int = 1_000) -> list[int]:
    """The ids of what `node` gets, best first."""
    return [claimed.id for claimed in await claim(store, node, limit)]


async def end(store: Store, node: int, *claimed: Claimed, verdict: Verdict = Verdict.SUCCESS, **facts: Any) -> None:
    """These attempts end, and whoever waited for that is let go."""
    await store.queue.finish(node, [ended(one, verdict, **facts) for one in claimed])
    await store.queue.release()


async def held(store: Store, node: int, **changes: Any) -> Claimed:
    """A new task that `node` has claimed."""
    [id_] = await stored(store, **changes)
    [claimed] = await claim(store, node)
    assert claimed.id == id_
    return claimed


def said(claimed: Claimed, **words: Any) -> Said:
    """Words of this attempt; without any, only that it has started."""
    return Said(claimed.id, claimed.attempt, **({"started_age": 0.0} | words))


def ended(claimed: Claimed, verdict: Verdict = Verdict.SUCCESS, **facts: Any) -> Ended:
    """The end of this attempt."""
    return Ended(claimed.id, claimed.attempt, verdict, **({"started_age": 0.0} | facts))


async def running(store: Store, node: int, **changes: Any) -> Claimed:
    """A new task that `node` has claimed and started."""
    claimed = await held(store, node, **changes)
    assert await store.queue.say(node, [said(claimed)]) == {claimed.id}
    return claimed


async def ask(store: Store, task: int, by: str = "eve", reason: str = "") -> State:
    """The state an interrupt left the task in."""
    return (await store.queue.interrupt(Asked(task, by, reason))).state


async def facts_of(store: Store, task: int) -> TaskFacts:
    facts = await store.library.task(task)
    assert facts is not None
    return facts


async def state_of(store: Store, task: int) -> State:
    return (await facts_of(store, task)).state


async def events_of(store: Store, task: int, after: int = 0, *, timeline_only: bool = False) -> list[EventFacts]:
    found = await store.library.events([Watched(task, after, timeline_only)], 1_000)
    return found.get(task, [])


async def leader(store: Store, node: int, lease: float = LEASE) -> Membership:
    """The right of `node` to do maintenance."""
    beat = await store.cluster.beat(node, lease)
    assert beat.term is not None
    return Membership(node, beat.term)


async def next_due(store: Store, membership: Membership, limit: int) -> float | None:
    """Promotes; the seconds to the next due task."""
    promoted = await store.queue.promote(membership, limit)
    assert promoted is not None
    return promoted.next_due


def expire(store: Store, node: int) -> None:
    """The lease of this node has run out."""
    assert store.cluster.renew(node, 0.0)


async def recovered(store: Store, tasks: int) -> None:
    """Waits until recovery has taken back so many tasks."""
    taken = 0

    async def took_them() -> bool:
        nonlocal taken
        taken += await store.cluster.recover()
        return taken >= tasks

    await eventually(took_them)
    assert taken == tasks
