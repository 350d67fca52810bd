"""The gates on real nodes: what is folded, what waits behind, how much runs at once, and who wakes whom."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from windlass import Context, Outcome, Success
from windlass.core.lifecycle import State
from windlass.errors import InvalidArgument, PoolNotFound, TaskInQueue, TaskNotFound
from windlass.host import dispatcher, sharing
from windlass.host.admission import Caller
from windlass.host.kernel import Kernel
from windlass.store.facts import Sort

from tests.contract.facts import new_task
from tests.host.gated import Works, ask
from tests.host.rig import Rig, asked
from tests.waiting import eventually

SOON = 3.0
"""Seconds in which a hint has long been followed, and the leader has looked more than once."""


@pytest_asyncio.fixture
async def works(rig: Rig) -> AsyncIterator[Works]:
    made = Works()
    yield made
    made.gate.set()


async def start(rig: Rig, works: Works, *, slots: int = 4, again: bool = False, **node: Any) -> Kernel:
    store = await rig.another_store() if again else None
    return await rig.start(slots=slots, store=store, plugins={"gates": works}, **node)


async def feeds_of(rig: Rig, task: int) -> list[str]:
    """What the task was run with, once it has completed."""
    facts = await rig.ended(task)
    assert facts.state is State.COMPLETED
    found: list[str] = msgspec.json.decode(facts.result or b"")["feeds"]
    return found


async def test_what_came_while_a_task_waited_is_folded_into_its_run(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    await rig.store.pools.pause_pool("default", "test", "")
    first = await ask(kernel, "Refresh", "a")
    for feed in ("b", "c", "a"):
        receipt = await ask(kernel, "Refresh", feed)
        assert (receipt.task, receipt.sort, receipt.state) == (first.task, Sort.JOINED, State.PENDING)
    other_tree = await ask(kernel, "Refresh", "x", tree="other")
    works.gate.set()
    await rig.store.pools.resume_pool("default")
    kernel.node.look()
    assert await feeds_of(rig, first.task) == ["a", "b", "c"]
    assert await feeds_of(rig, other_tree.task) == ["x"]
    assert len(works.runs) == 2


async def test_what_comes_during_a_run_is_served_by_the_one_follow_up_wave(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    first = await ask(kernel, "Refresh", "a")
    await eventually(lambda: works.running == {first.task})
    second = await ask(kernel, "Refresh", "b")
    assert (second.sort, second.task != first.task) == (Sort.CREATED, True)
    third = await ask(kernel, "Refresh", "c")
    assert (third.task, third.sort, third.joined) == (second.task, Sort.JOINED, 1)
    assert works.running == {first.task}
    works.gate.set()
    assert await feeds_of(rig, first.task) == ["a"]
    assert await feeds_of(rig, second.task) == ["b", "c"]
    assert works.most_at_once == 1, "no second serial task"


async def test_a_rebuild_is_joined_while_it_waits_and_while_it_runs(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works, slots=1)
    blocker = await ask(kernel, "Refresh", "x")
    await eventually(lambda: works.running == {blocker.task})
    first = await ask(kernel, "Rebuild", "a")
    pending = await ask(kernel, "Rebuild", "b")
    assert (pending.task, pending.sort, pending.state) == (first.task, Sort.JOINED, State.PENDING)
    works.gate.set()
    await rig.ended(blocker.task)
    assert (await rig.ended(first.task)).state is State.COMPLETED
    works.gate.clear()
    again = await ask(kernel, "Rebuild", "a")
    await eventually(lambda: works.running == {again.task})
    running = await ask(kernel, "Rebuild", "c")
    assert (running.task, running.sort, running.state) == (again.task, Sort.JOINED, State.RUNNING)
    card = await rig.store.library.card(again.task)
    assert card is not None
    assert card.joined[-1].running
    works.gate.set()
    await rig.ended(again.task)
    assert rig.count("blocked") == 0


async def test_a_follow_up_runs_after_an_interrupt_and_after_a_lost_lease(
    rig: Rig, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("windlass.host.maintenance.recoverer.SWEEP_SECONDS", 0.1)
    kernel = await start(rig, works, lease=4.0, renew=0.1)
    first = await ask(kernel, "Refresh", "a")
    await eventually(lambda: works.running == {first.task})
    second = await ask(kernel, "Refresh", "b")
    await kernel.interrupt(asked(first.task))
    await eventually(lambda: works.running == {second.task}, within=SOON)
    third = await ask(kernel, "Refresh", "c")
    rig.execute("update windlass.node set expires_at = now() - interval '1 second' where left_at is null")
    works.gate.set()
    assert await feeds_of(rig, third.task) == ["c"]


async def test_two_nodes_run_no_more_of_a_key_than_its_limit(rig: Rig, works: Works) -> None:
    first = await start(rig, works, slots=20)
    second = await start(rig, works, slots=20, again=True)
    await rig.shared(10, 10)
    tasks = [(await ask(kernel, "OnHost", tree="host-1")).task for kernel in (first, second) * 6]
    await eventually(lambda: len(works.running) == 2)
    other = await ask(second, "OnHost", tree="host-2")
    await eventually(lambda: works.running >= {other.task})
    assert len(works.running) == 3
    works.gate.set()
    for task in (*tasks, other.task):
        await rig.ended(task, within=SOON)
    assert works.most_at_once == 3
    assert rig.execute("select max(slot) from windlass.running") == [(None,)]


async def test_a_pool_made_larger_wakes_those_who_wait_and_a_smaller_one_starts_no_more(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works, slots=1)
    outside = await rig.another_store()
    tasks = [(await ask(kernel, "OnHost", tree=f"{n}")).task for n in range(4)]
    await eventually(lambda: len(works.running) == 1)
    await outside.pools.resize("default", 3)
    await eventually(lambda: len(works.running) == 3, within=SOON)
    await outside.pools.resize("default", 2)
    await eventually(lambda: kernel.node.dispatchers[0].slots == 2, within=SOON)
    assert len(works.running) == 3, "what runs goes on"
    works.gate.set()
    for task in tasks:
        await rig.ended(task)
    assert works.most_at_once == 3


async def test_two_nodes_share_a_pool_and_never_run_more_than_its_slots(rig: Rig, works: Works) -> None:
    first = await start(rig, works, slots=3)
    tasks = [(await ask(first, "OnHost", tree=f"{n}")).task for n in range(8)]
    await eventually(lambda: len(works.running) == 3)
    second = await start(rig, works, slots=3, again=True)
    await eventually(lambda: (second.node.dispatchers[0].slots, first.node.dispatchers[0].slots) == (0, 2))
    works.gate.set()
    for task in tasks:
        await rig.ended(task)
    assert works.most_at_once == 3


async def test_a_paused_kind_and_a_paused_pool_go_on_at_once_when_resumed(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    outside = await rig.another_store()
    works.gate.set()
    await outside.pools.pause_kind("OnHost", "eve", "")
    paused = await ask(kernel, "OnHost")
    assert await feeds_of(rig, (await ask(kernel, "Refresh", "a")).task) == ["a"]
    await outside.pools.pause_pool("default", "eve", "")
    waiting = await ask(kernel, "Refresh", "b")
    await outside.pools.resume_kind("OnHost")
    kernel.node.look()
    assert (await rig.task(paused.task)).state is State.PENDING
    assert len(works.runs) == 1
    await outside.pools.resume_pool("default")
    await rig.ended(paused.task, within=SOON)
    await rig.ended(waiting.task, within=SOON)


async def test_what_is_resumed_or_resized_through_a_node_is_seen_there_at_once(
    rig: Rig, works: Works, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name in ((dispatcher, "POLL_SECONDS"), (sharing, "IDLE_SECONDS"), (sharing, "BUSY_SECONDS")):
        monkeypatch.setattr(module, name, 60.0)
    kernel = await start(rig, works, slots=1)
    works.gate.set()
    await kernel.valves.pause_pool("default", "eve", "for a while")
    await kernel.valves.pause_kind("OnHost", "eve")
    task = await ask(kernel, "OnHost")
    paused = [(pool.name, pool.paused_by) for pool in await kernel.valves.all() if pool.paused_by]
    assert paused == [("default", "eve")]
    await kernel.valves.resume_pool("default")
    await kernel.valves.resume_kind("OnHost")
    await rig.ended(task.task, within=SOON)
    await kernel.valves.resize("default", 3)
    await eventually(lambda: kernel.node.dispatchers[0].slots == 3, within=SOON)
    with pytest.raises(InvalidArgument, match="slots must be from 0 to 100000, not -1"):
        await kernel.valves.resize("default", -1)
    with pytest.raises(PoolNotFound):
        await kernel.valves.resize("nope", 1)


async def test_each_pause_is_longer_than_the_last_up_to_the_longest(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    receipt = await ask(kernel, "Flaky", pause=None)
    for attempt, expected in enumerate((60, 180, 200), start=1):
        query = "select extract(epoch from next_try_at - now())::float8 from windlass.deferred where attempt = %s"
        [(pause,)] = await eventually(partial(rig.execute, query, attempt))
        assert expected - 10 < pause <= expected
        rig.execute("update windlass.deferred set next_try_at = now()")
        kernel.node.promoter.look()
    facts = await rig.ended(receipt.task)
    assert (facts.state, facts.attempt) == (State.FAILED, 4)


async def test_a_retry_from_history_names_the_old_one_and_carries_all_that_was_folded(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    works.gate.set()
    await rig.store.pools.pause_pool("default", "test", "")
    first = await ask(kernel, "Refresh", "a", title="Pages", priority=7)
    await ask(kernel, "Refresh", "b")
    with pytest.raises(TaskInQueue):
        await kernel.retry(first.task, Caller("bea", 1))
    await rig.store.pools.resume_pool("default")
    kernel.node.look()
    await rig.ended(first.task)
    again = await kernel.retry(first.task, Caller("bea", 1))
    assert again.sort is Sort.CREATED
    assert await feeds_of(rig, again.task) == ["a", "b"]
    facts = await rig.task(again.task)
    assert (facts.retry_of, facts.trigger, facts.initiator, facts.origin) == (first.task, "retry", "bea", 1)
    assert (facts.title, facts.priority, facts.coalesce_key) == ("Pages", 7, "tree")
    with pytest.raises(TaskNotFound):
        await kernel.retry(999_999, Caller("bea", 1))


async def test_a_retry_of_a_kind_that_joins_its_running_twin_joins_it(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    works.gate.set()
    first = await ask(kernel, "Rebuild", "a")
    await rig.ended(first.task)
    works.gate.clear()
    second = await ask(kernel, "Rebuild", "b")
    await eventually(lambda: works.running == {second.task})
    again = await kernel.retry(first.task, Caller("bea", 1))
    assert (again.task, again.sort, again.state) == (second.task, Sort.JOINED, State.RUNNING)


async def test_an_interrupt_of_a_parent_ends_its_children_and_theirs(rig: Rig, works: Works) -> None:
    async def waits(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    kernel = await rig.start(slots=3)
    parent = await rig.enqueue(waits)
    running = await rig.enqueue(waits, parent=parent)
    grandchild = await rig.enqueue(waits, parent=running, delay=3600.0)
    blocked = await rig.enqueue(waits, parent=parent, after=(running,))
    stranger = await rig.enqueue(waits)
    await eventually(lambda: len(rig.theatre.began) == 3)
    await kernel.interrupt(asked(parent, "enough"))
    for task in (parent, running, grandchild, blocked):
        assert (await rig.ended(task)).state is State.CANCELED
    assert f"its parent {parent} was interrupted" in ((await rig.task(running)).message or "")
    assert (await rig.task(stranger)).state is State.RUNNING


async def test_an_interrupt_ends_children_however_many_there_are(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(ctx: Context) -> Outcome:
        await rig.theatre.released.wait()
        return Success()

    monkeypatch.setattr("windlass.host.kernel.MOST_CHILDREN", 2)
    kernel = await rig.start(slots=3)
    parent = await rig.enqueue(waits)
    running = [await rig.enqueue(waits, parent=parent) for _ in range(2)]
    await eventually(lambda: len(rig.theatre.began) == 3)
    waiting = [await rig.enqueue(waits, parent=parent) for _ in range(3)]
    await kernel.interrupt(asked(parent))
    for task in (*running, *waiting):
        assert (await rig.ended(task)).state is State.CANCELED


async def test_a_dependent_starts_when_the_last_of_its_others_has_ended_on_another_node(rig: Rig, works: Works) -> None:
    first = await start(rig, works)
    await start(rig, works, again=True)
    await rig.shared(2, 2)
    others = [(await ask(first, "OnHost", tree=f"{n}")).task for n in range(4)]
    await eventually(lambda: works.running == set(others))
    last = await ask(first, "OnHost", tree="last", after=tuple(others))
    works.gate.set()
    await rig.ended(last.task, within=SOON)
    assert works.runs[-1][0] == last.task


async def test_a_task_that_nobody_started_by_its_deadline_fails_without_a_run(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works, slots=1)
    busy = await ask(kernel, "OnHost", tree="1")
    await eventually(lambda: works.running == {busy.task})
    late = await ask(kernel, "OnHost", tree="2", start_within=0.05)
    facts = await rig.ended(late.task, within=SOON)
    assert (facts.state, facts.message) == (State.FAILED, "it was not started by its deadline")
    assert len(works.runs) == 1


async def test_a_batch_for_one_key_drains_one_by_one(rig: Rig, works: Works) -> None:
    kernel = await start(rig, works)
    works.gate.set()
    batch = [new_task(kind="OnHost", payload="{}", slot_key="s", slot_limit=1) for _ in range(20)]
    receipts = await kernel.enqueuer.enqueue_batch(batch)
    async with asyncio.timeout(10):  # the leader's looks alone would take twenty seconds
        for receipt in receipts:
            await rig.ended(receipt.task)
    assert works.most_at_once == 1
