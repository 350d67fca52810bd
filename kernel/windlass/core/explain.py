"""Why a task does not run: the gates that stand before it, and what would clear each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from enum import Enum
from typing import Protocol

import msgspec

from windlass.core.agents import agent_of

DRAINING, AWAY = 2, 3
"""States of an agent, as a store tells them."""
MOST_NAMED = 5
MOST_AHEAD = 1_000


class GateKind(Enum):
    """In the order in which a task meets them."""

    DEPENDENCIES = "waits for other tasks"
    TWIN = "waits for the task before it with the same key"
    NOT_DUE = "is not due"
    KIND_PAUSED = "its kind is paused"
    POOL_PAUSED = "its pool is paused"
    NO_NODE = "nobody can run it"
    KEY_BUSY = "its concurrency key is busy"
    POOL_FULL = "its pool is full"
    AHEAD = "others come first"
    CLAIMED = "a node is about to start it"


class Gate(msgspec.Struct, frozen=True):
    """One reason: in words, with what clears it, and the tasks that stand in the way (the first few)."""

    kind: GateKind
    why: str
    clears: str
    tasks: tuple[int, ...] = ()


class Facts(Protocol):
    """What is known of a waiting task (`store.facts.Standing`)."""

    @property
    def kind(self) -> str: ...
    @property
    def pool(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def seconds_to_due(self) -> float: ...
    @property
    def is_claimed(self) -> bool: ...
    @property
    def slots(self) -> int | None: ...
    @property
    def busy(self) -> tuple[int, ...]: ...
    @property
    def pool_paused_by(self) -> str | None: ...
    @property
    def kind_paused_by(self) -> str | None: ...
    @property
    def live_nodes(self) -> int: ...
    @property
    def able_nodes(self) -> int: ...
    @property
    def draining_nodes(self) -> int: ...
    @property
    def slot_key(self) -> str | None: ...
    @property
    def slot_limit(self) -> int | None: ...
    @property
    def key_holders(self) -> tuple[int, ...]: ...
    @property
    def waits_for(self) -> tuple[int, ...]: ...
    @property
    def twin(self) -> int | None: ...
    @property
    def ahead(self) -> int: ...
    @property
    def agent_state(self) -> int | None: ...
    @property
    def agent_knows(self) -> bool: ...
    @property
    def agent_seen_at(self) -> datetime | None: ...


def gates(facts: Facts) -> list[Gate]:
    """Everything that holds a waiting task, the gate it meets first in front.  Empty: it starts at the next look."""
    if facts.is_claimed:
        return [Gate(GateKind.CLAIMED, "a node has claimed it and starts it when a slot is free", "nothing to do")]
    return [*_others(facts), *_pauses(facts), *_capacity(facts)]


def veiled(gate: Gate, seen: AbstractSet[int]) -> Gate:
    """The gate as one may see it to whom only the tasks `seen` exist."""
    if seen >= set(gate.tasks):
        return gate
    return Gate(
        gate.kind, gate.kind.value, "nothing that you can see", tuple(task for task in gate.tasks if task in seen)
    )


def _others(facts: Facts) -> Iterator[Gate]:
    if facts.waits_for:
        why = f"it waits for the end of {_tasks(facts.waits_for)}"
        yield Gate(GateKind.DEPENDENCIES, why, "their end, or an interrupt", facts.waits_for[:MOST_NAMED])
    if facts.twin is not None:
        why = f"task {facts.twin} with the same coalesce key is under way; this one is served after it"
        yield Gate(GateKind.TWIN, why, f"the end of task {facts.twin}", (facts.twin,))
    if facts.seconds_to_due > 0:
        why = f"it is due in {_span(facts.seconds_to_due)}"
        yield Gate(GateKind.NOT_DUE, why, "time")


def _pauses(facts: Facts) -> Iterator[Gate]:
    if facts.kind_paused_by is not None:
        why = f"kind {facts.kind} was paused by {facts.kind_paused_by}"
        yield Gate(GateKind.KIND_PAUSED, why, f"resuming kind {facts.kind}")
    if facts.pool_paused_by is not None:
        why = f"pool {facts.pool} was paused by {facts.pool_paused_by}"
        yield Gate(GateKind.POOL_PAUSED, why, f"resuming pool {facts.pool}")
    if agent := agent_of(facts.pool):
        yield from _of_agent(agent, facts)
    elif facts.able_nodes == 0:
        yield _nobody(facts)


def _of_agent(agent: str, facts: Facts) -> Iterator[Gate]:
    """What stands between a task and the one agent that may run it."""
    start = f"starting it on its host: windlass agent --id {agent}"
    if facts.agent_state is None:
        yield Gate(GateKind.NO_NODE, f"no agent {agent} has ever connected", start)
        return
    if facts.agent_state == AWAY:
        seen = f" since {facts.agent_seen_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if facts.agent_seen_at else ""
        yield Gate(GateKind.NO_NODE, f"agent {agent} is away{seen}", start)
    elif facts.agent_state == DRAINING:
        yield Gate(GateKind.NO_NODE, f"agent {agent} is drained", f"resuming it: windlass agents resume {agent}")
    if not facts.agent_knows:
        why = f"agent {agent} does not know kind {facts.kind}"
        yield Gate(GateKind.NO_NODE, why, "installing the plugin that brings it on its host, and starting it anew")


def _nobody(facts: Facts) -> Gate:
    if facts.draining_nodes == 1:
        why = f"the one live node that has kind {facts.kind} is drained"
        return Gate(GateKind.NO_NODE, why, "resuming it, or starting another")
    if facts.draining_nodes:
        why = f"all {facts.draining_nodes} live nodes that have kind {facts.kind} are drained"
        return Gate(GateKind.NO_NODE, why, "resuming one of them, or starting another")
    known = f"none of the {facts.live_nodes} live nodes" if facts.live_nodes else "no node is alive, so none"
    return Gate(GateKind.NO_NODE, f"{known} has kind {facts.kind}", "starting a node with its plugin")


def _capacity(facts: Facts) -> Iterator[Gate]:
    if facts.slot_key is not None and len(facts.key_holders) >= (facts.slot_limit or 1):
        why = f"{_tasks(facts.key_holders)} of concurrency key {facts.slot_key!r} run; its limit is {facts.slot_limit}"
        yield Gate(GateKind.KEY_BUSY, why, "the end of one of them", facts.key_holders[:MOST_NAMED])
    if facts.slots is None and not agent_of(facts.pool):
        why = f"there is no pool {facts.pool}"
        yield Gate(GateKind.POOL_FULL, why, f"configuring pool {facts.pool} on a node")
    elif facts.slots == 0:
        yield Gate(GateKind.POOL_FULL, f"pool {facts.pool} has no slots", "giving it some")
    elif facts.slots is not None and len(facts.busy) >= facts.slots:
        why = f"all {facts.slots} slots of pool {facts.pool} are taken by {_tasks(facts.busy)}"
        yield Gate(GateKind.POOL_FULL, why, "the end of one of them, or more slots", facts.busy[:MOST_NAMED])
    if facts.ahead:
        many = f"more than {MOST_AHEAD}" if facts.ahead > MOST_AHEAD else str(facts.ahead)
        noun = "task comes" if facts.ahead == 1 else "tasks come"
        why = f"{many} {noun} before it in pool {facts.pool} (its priority is {facts.priority})"
        yield Gate(GateKind.AHEAD, why, "their start, or a higher priority")


def _tasks(ids: Sequence[int]) -> str:
    if len(ids) == 1:
        return f"task {ids[0]}"
    named = ", ".join(map(str, ids[:MOST_NAMED]))
    return f"{len(ids)} tasks ({named}{', …' if len(ids) > MOST_NAMED else ''})"


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 1 else "less than a second"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"
