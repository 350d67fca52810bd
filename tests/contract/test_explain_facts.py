"""The Library contract: everything that holds a waiting task back is known, and nothing else is said."""

from __future__ import annotations

from windlass.core.explain import Gate, GateKind, gates
from windlass.core.lifecycle import Verdict
from windlass.store.facts import Standing
from windlass.store.pools import KindFacts
from windlass.store.port import Store

from tests.contract.facts import (
    SHORT,
    ask,
    claim,
    end,
    held,
    leader,
    new_task,
    node_of,
    put,
    running,
    stored,
)
from tests.waiting import eventually


async def ready_cluster(store: Store, slots: int = 4) -> int:
    """A node that can run Noop, and a pool with so many slots."""
    await store.pools.register({"default": slots}, [KindFacts(name, "default", 3, 1.0) for name in ("Noop", "Other")])
    return await node_of(store)


async def standing(store: Store, task: int) -> Standing:
    found = await store.library.standing(task)
    assert found is not None
    return found


async def kinds(store: Store, task: int) -> list[GateKind]:
    return [gate.kind for gate in gates(await standing(store, task))]


async def only_gate(store: Store, task: int) -> Gate:
    [gate] = gates(await standing(store, task))
    return gate


async def test_nothing_holds_a_task_that_is_due(store: Store) -> None:
    await ready_cluster(store)
    [task] = await stored(store)
    found = await standing(store, task)
    assert (found.id, found.kind, found.pool, found.priority, found.waits) == (task, "Noop", "default", 5, None)
    assert (found.seconds_to_due, found.slots, found.live_nodes, found.able_nodes) == (0.0, 4, 1, 1)
    assert gates(found) == []


async def test_what_does_not_wait_stands_nowhere(store: Store) -> None:
    node = await ready_cluster(store)
    started, interrupted = await running(store, node), await held(store, node)
    await ask(store, interrupted.id)
    [over] = await stored(store)
    await ask(store, over)
    for task in (started.id, interrupted.id, over, 999_999):
        assert await store.library.standing(task) is None


async def test_a_claimed_task_says_so_and_nothing_else(store: Store) -> None:
    node = await ready_cluster(store)
    claimed = await held(store, node, slot_key="s", slot_limit=1, coalesce_key="k")
    assert await kinds(store, claimed.id) == [GateKind.CLAIMED]


async def test_it_names_the_tasks_it_waits_for_and_not_those_that_have_ended(store: Store) -> None:
    node = await ready_cluster(store)
    ended, open_one = await stored(store, 2)
    [task] = await store.queue.enqueue([new_task(after=(ended, open_one))])
    [claimed] = await claim(store, node, 1)
    await end(store, node, claimed)
    gate = await only_gate_but(store, task.task, GateKind.AHEAD)
    assert (gate.kind, gate.tasks) == (GateKind.DEPENDENCIES, (open_one,))
    assert (await standing(store, task.task)).waits == 2


async def only_gate_but(store: Store, task: int, but: GateKind) -> Gate:
    [gate] = [gate for gate in gates(await standing(store, task)) if gate.kind is not but]
    return gate


async def test_it_names_the_twin_it_follows(store: Store) -> None:
    node = await ready_cluster(store)
    twin = await running(store, node, coalesce_key="k")
    follow_up = await put(store)
    gate = await only_gate(store, follow_up.task)
    assert (gate.kind, gate.tasks) == (GateKind.TWIN, (twin.id,))
    assert (await standing(store, follow_up.task)).waits == 3


async def test_a_task_between_its_attempts_is_not_its_own_twin(store: Store) -> None:
    node = await ready_cluster(store)
    first = await running(store, node, coalesce_key="k")
    await end(store, node, first, verdict=Verdict.RETRY, pause=3600.0)
    assert await kinds(store, first.id) == [GateKind.NOT_DUE]


async def test_it_says_how_long_it_is_to_its_time(store: Store) -> None:
    await ready_cluster(store)
    [task] = await stored(store, delay=3600.0)
    assert 3590 < (await standing(store, task)).seconds_to_due <= 3600
    assert await kinds(store, task) == [GateKind.NOT_DUE]


async def test_it_says_who_paused_its_kind_and_its_pool(store: Store) -> None:
    await ready_cluster(store)
    [task] = await stored(store)
    await store.pools.pause_kind("Noop", "ada", "")
    await store.pools.pause_pool("default", "bea", "")
    found = await standing(store, task)
    assert (found.kind_paused_by, found.pool_paused_by) == ("ada", "bea")
    assert await kinds(store, task) == [GateKind.KIND_PAUSED, GateKind.POOL_PAUSED]


async def test_it_says_that_nobody_can_run_it(store: Store) -> None:
    node = await ready_cluster(store)
    [task] = await stored(store, kind="Other")
    found = await standing(store, task)
    assert (found.live_nodes, found.able_nodes) == (1, 0)
    assert await kinds(store, task) == [GateKind.NO_NODE]
    await store.cluster.leave(node)
    assert (await standing(store, task)).live_nodes == 0


async def test_it_names_who_holds_its_concurrency_key(store: Store) -> None:
    node = await ready_cluster(store)
    await stored(store, 2, slot_key="s", slot_limit=2)
    holders = await claim(store, node)
    [task] = await stored(store, slot_key="s", slot_limit=2)
    gate = await only_gate(store, task)
    assert (gate.kind, gate.tasks) == (GateKind.KEY_BUSY, tuple(one.id for one in holders))
    await end(store, node, holders[0])
    assert await kinds(store, task) == []


async def test_it_names_who_fills_its_pool(store: Store) -> None:
    node = await ready_cluster(store, slots=2)
    busy = [(await running(store, node)).id for _ in range(2)]
    [task] = await stored(store)
    gate = await only_gate(store, task)
    assert (gate.kind, gate.tasks) == (GateKind.POOL_FULL, tuple(busy))
    await store.pools.resize("default", 3)
    assert await kinds(store, task) == []


async def test_a_pool_that_nobody_configured_is_named(store: Store) -> None:
    await ready_cluster(store)
    [task] = await stored(store, pool="nowhere")
    assert (await standing(store, task)).slots is None
    assert await kinds(store, task) == [GateKind.POOL_FULL]


async def test_it_counts_those_before_it_and_nobody_else(store: Store) -> None:
    await ready_cluster(store)
    await stored(store, 2, priority=9)
    await stored(store, 3)
    [task] = await stored(store)
    await stored(store, 5)
    await stored(store, priority=9, pool="feeds")
    await stored(store, priority=9, delay=3600.0)
    assert (await standing(store, task)).ahead == 5
    assert await kinds(store, task) == [GateKind.AHEAD]


async def test_what_can_not_start_is_in_nobodys_way(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await store.pools.register({"default": 4}, [KindFacts("Noop", "default", 3, 1.0)])
    await stored(store, kind="Other", priority=9)
    await stored(store, priority=9, start_within=SHORT)
    [task] = await stored(store)

    async def is_late() -> bool:
        promoted = await store.queue.promote(membership, 10)
        return promoted is not None and promoted.has_late

    await eventually(is_late)
    assert await kinds(store, task) == []
    [waiting] = await stored(store)
    await store.pools.pause_kind("Noop", "eve", "")
    assert (await standing(store, waiting)).ahead == 0
    assert await kinds(store, waiting) == [GateKind.KIND_PAUSED]


async def test_all_gates_in_the_order_in_which_a_task_meets_them(store: Store) -> None:
    node = await ready_cluster(store, slots=1)
    running_twin = await running(store, node, coalesce_key="k", slot_key="s", slot_limit=1)
    [ahead] = await stored(store, priority=9)
    request = new_task(coalesce_key="k", slot_key="s", slot_limit=1, after=(ahead,), delay=3600.0)
    [task] = await store.queue.enqueue([request])
    await store.pools.pause_kind("Other", "eve", "")
    await store.pools.pause_pool("default", "eve", "")
    assert await kinds(store, task.task) == [
        GateKind.DEPENDENCIES,
        GateKind.TWIN,
        GateKind.NOT_DUE,
        GateKind.POOL_PAUSED,
        GateKind.KEY_BUSY,
        GateKind.POOL_FULL,
        GateKind.AHEAD,
    ]
    assert (await standing(store, task.task)).twin == running_twin.id
