"""Upkeep: sets of tasks are opened and dropped, what is old goes, and only the leader of the term does it."""

from __future__ import annotations

import uuid
from math import inf

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Claimed, Membership, Sort
from windlass.store.port import Store
from windlass.store.upkeep import Pruned, Retention, Roll

from tests.contract.facts import claim, ended, facts_of, held, leader, new_task, node_of, running, said, stored
from tests.waiting import eventually

LONG = 3600.0


@pytest.fixture
async def node(store: Store) -> int:
    return await node_of(store)


@pytest.fixture
async def leading(store: Store, node: int) -> Membership:
    return await leader(store, node)


@pytest.fixture
def former(leading: Membership) -> Membership:
    """A term that is over."""
    return Membership(leading.node, leading.term - 1)


async def over(store: Store, node: int, verdict: Verdict = Verdict.SUCCESS, **changes: object) -> int:
    """A task that has ended."""
    claimed = await held(store, node, **changes)
    await finish(store, node, claimed, verdict)
    return claimed.id


async def finish(store: Store, node: int, claimed: Claimed, verdict: Verdict = Verdict.SUCCESS) -> None:
    assert await store.queue.finish(node, [ended(claimed, verdict)])


async def rolled(store: Store, leading: Membership) -> None:
    async def rolls() -> bool:
        return await store.upkeep.roll(leading, 0.0) is Roll.ROLLED

    await eventually(rolls)


async def dropped(store: Store, leading: Membership, sets: int) -> None:
    total = 0

    async def drops() -> bool:
        nonlocal total
        total += await store.upkeep.drop(leading, 0.0)
        return total >= sets

    await eventually(drops)
    assert total == sets


async def prune_all(store: Store, leading: Membership, retention: Retention, limit: int = 100) -> int:
    after: int | None = 0
    tasks = 0
    while after is not None:
        pruned = await store.upkeep.prune(leading, retention, after, limit)
        after, tasks = pruned.after, tasks + pruned.tasks
    return tasks


# --- rolling


async def test_a_set_that_is_young_stays(store: Store, leading: Membership) -> None:
    await stored(store, 3)
    assert await store.upkeep.roll(leading, LONG) is Roll.NONE
    assert await stored(store) == [4]


async def test_a_set_nobody_used_is_never_too_old(store: Store, leading: Membership) -> None:
    assert await store.upkeep.roll(leading, 0.0) is Roll.NONE
    await stored(store)
    await rolled(store, leading)
    assert await store.upkeep.roll(leading, 0.0) is Roll.NONE


async def test_a_roll_by_time_moves_ids_on_to_the_next_bound(store: Store, leading: Membership) -> None:
    [before] = await stored(store)
    await rolled(store, leading)
    [after] = await stored(store)
    assert after > before
    assert after % 1_000_000 == 0
    await rolled(store, leading)
    assert (await stored(store))[0] > after


async def test_tasks_of_every_set_are_claimed_and_read(store: Store, node: int, leading: Membership) -> None:
    tasks = await stored(store)
    for _ in range(3):
        await rolled(store, leading)
        tasks += await stored(store)
    claimed = await claim(store, node)
    assert [one.id for one in claimed] == tasks
    for one in claimed:
        assert await store.queue.say(node, [said(one, stage="s")]) == {one.id}
        await finish(store, node, one)
        assert (await facts_of(store, one.id)).state is State.COMPLETED


async def test_a_former_leader_rolls_nothing(store: Store, former: Membership) -> None:
    await stored(store)
    assert await store.upkeep.roll(former, 0.0) is Roll.NONE
    assert await stored(store) == [2]


# --- dropping


async def test_a_closed_set_in_which_all_has_ended_is_dropped(store: Store, node: int, leading: Membership) -> None:
    old = await over(store, node)
    await rolled(store, leading)
    new = await over(store, node)
    await dropped(store, leading, 1)
    assert await store.library.task(old) is None
    assert (await facts_of(store, new)).state is State.COMPLETED


async def test_what_ended_not_long_ago_is_kept(store: Store, node: int, leading: Membership) -> None:
    task = await over(store, node)
    await rolled(store, leading)
    assert await store.upkeep.drop(leading, LONG) == 0
    assert await store.upkeep.drop(leading, inf) == 0
    assert (await facts_of(store, task)).state is State.COMPLETED


async def test_a_set_in_which_something_waits_is_kept(store: Store, node: int, leading: Membership) -> None:
    await over(store, node)
    [task] = await stored(store, delay=LONG)
    await over(store, node)
    await rolled(store, leading)
    assert await store.upkeep.drop(leading, 0.0) == 0
    assert (await facts_of(store, task)).state is State.PENDING


async def test_a_set_in_which_something_runs_is_kept_until_that_has_ended(
    store: Store, node: int, leading: Membership
) -> None:
    await over(store, node)
    claimed = await running(store, node)
    await rolled(store, leading)
    assert await store.upkeep.drop(leading, 0.0) == 0
    await finish(store, node, claimed)
    await dropped(store, leading, 1)


async def test_the_present_set_is_never_dropped(store: Store, node: int, leading: Membership) -> None:
    task = await over(store, node)
    assert await store.upkeep.drop(leading, 0.0) == 0
    assert (await facts_of(store, task)).state is State.COMPLETED


async def test_a_former_leader_drops_nothing(store: Store, node: int, leading: Membership, former: Membership) -> None:
    await over(store, node)
    await rolled(store, leading)
    assert await store.upkeep.drop(former, 0.0) == 0
    await dropped(store, leading, 1)


# --- pruning


async def test_what_a_state_keeps_for_less_goes_earlier(store: Store, node: int, leading: Membership) -> None:
    good = await over(store, node)
    bad = await over(store, node, Verdict.FAILED)
    assert await prune_all(store, leading, Retention(LONG, states={State.COMPLETED: 0.0})) == 1
    assert await store.library.task(good) is None
    assert (await facts_of(store, bad)).state is State.FAILED


async def test_what_a_kind_keeps_for_less_goes_earlier(store: Store, node: int, leading: Membership) -> None:
    await over(store, node)
    assert await prune_all(store, leading, Retention(LONG, kinds={"Other": 0.0})) == 0
    assert await prune_all(store, leading, Retention(inf, kinds={"Noop": 0.0})) == 1


async def test_the_shortest_wish_wins(store: Store, node: int, leading: Membership) -> None:
    await over(store, node)
    wishes = Retention(LONG, states={State.COMPLETED: LONG, State.FAILED: 0.0}, kinds={"Noop": 0.0})
    assert await prune_all(store, leading, wishes) == 1


async def test_pages_go_on_where_the_last_one_ended(store: Store, node: int, leading: Membership) -> None:
    tasks = [await over(store, node) for _ in range(5)]
    first = await store.upkeep.prune(leading, Retention(0.0), 0, 2)
    assert first == Pruned(tasks[1], 2)
    assert await prune_all(store, leading, Retention(0.0), 2) == 3
    assert [await store.library.task(task) for task in tasks] == [None] * 5


async def test_all_that_is_known_of_a_pruned_task_goes_with_it(store: Store, node: int, leading: Membership) -> None:
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY)])
    [again] = await claim(store, node)
    await finish(store, node, again)
    assert await prune_all(store, leading, Retention(0.0)) == 1
    assert await store.library.card(claimed.id) is None
    assert (await store.library.cards(10, None, None)).items == ()


async def test_what_has_not_ended_is_never_pruned(store: Store, node: int, leading: Membership) -> None:
    [waiting] = await stored(store, delay=LONG)
    claimed = await running(store, node)
    assert await prune_all(store, leading, Retention(0.0)) == 0
    assert (await facts_of(store, waiting)).state is State.PENDING
    assert (await facts_of(store, claimed.id)).state is State.RUNNING


async def test_a_former_leader_prunes_nothing(store: Store, node: int, former: Membership) -> None:
    task = await over(store, node)
    assert await prune_all(store, former, Retention(0.0)) == 0
    assert (await facts_of(store, task)).state is State.COMPLETED


# --- expiring


async def test_a_request_id_is_forgotten_after_its_time(store: Store, leading: Membership) -> None:
    request = uuid.uuid4()
    [first] = await stored(store, request_id=request)
    assert await store.upkeep.expire(leading, LONG, LONG) == 0
    assert await stored(store, request_id=request) == [first]
    assert await store.upkeep.expire(leading, 0.0, LONG) == 1
    assert await stored(store, request_id=request) != [first]


async def test_a_node_that_is_gone_is_forgotten_and_its_id_is_not_used_again(
    store: Store, node: int, leading: Membership
) -> None:
    gone = await node_of(store, name="gone", lease=0.001)
    await store.cluster.leave(gone)

    async def expires() -> int:
        return await store.upkeep.expire(leading, LONG, 0.0)

    assert await eventually(expires) == 1
    assert await node_of(store) > gone
    assert len((await store.cluster.beat(node, LONG)).neighbours) == 1


async def test_a_lost_node_that_still_holds_a_task_is_remembered(store: Store, leading: Membership) -> None:
    lost = await node_of(store, name="lost")
    await running(store, lost)
    assert store.cluster.renew(lost, 0.0)
    await store.cluster.leave(lost)
    assert await store.upkeep.expire(leading, LONG, 0.0) == 0
    assert await store.cluster.recover() == 1
    assert await store.upkeep.expire(leading, LONG, 0.0) == 1


async def test_keys_of_ended_tasks_are_forgotten_and_those_of_waiting_ones_stay(
    store: Store, leading: Membership, node: int
) -> None:
    await over(store, node, coalesce_key="done")
    [waits] = await store.queue.enqueue([new_task(coalesce_key="waits")])
    assert await store.upkeep.expire(leading, LONG, LONG) == 0
    assert await store.upkeep.expire(leading, 0.0, LONG) == 1
    assert [(one.task, one.sort) for one in await store.queue.enqueue([new_task(coalesce_key="waits")])] == [
        (waits.task, Sort.JOINED)
    ]
    assert [one.sort for one in await store.queue.enqueue([new_task(coalesce_key="done")])] == [Sort.CREATED]


async def test_a_former_leader_expires_nothing(store: Store, former: Membership) -> None:
    await stored(store, request_id=uuid.uuid4())
    assert await store.upkeep.expire(former, 0.0, 0.0) == 0
