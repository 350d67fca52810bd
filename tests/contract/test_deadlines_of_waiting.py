"""The Queue contract: a task that nobody started by its deadline fails, wherever it waits."""

from __future__ import annotations

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Membership
from windlass.store.port import Store

from tests.contract.facts import (
    BEFORE,
    SHORT,
    ask,
    claim,
    end,
    expire,
    facts_of,
    leader,
    new_task,
    node_of,
    put,
    said,
    state_of,
    stored,
    taken,
)
from tests.waiting import eventually


async def expired(store: Store, membership: Membership, count: int) -> None:
    """Waits until so many tasks have failed for their deadline."""
    failed = 0

    async def did() -> bool:
        nonlocal failed
        failed += await store.queue.expire(membership, 100)
        return failed >= count

    await eventually(did)
    assert failed == count


async def is_past(store: Store, membership: Membership) -> None:
    """Waits until the deadline of something has passed."""

    async def late() -> bool:
        promoted = await store.queue.promote(membership, 100)
        return promoted is not None and promoted.has_late

    await eventually(late)


async def test_a_deadline_that_passes_fails_the_task_where_it_waits(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await put(store, "k")
    [twin] = await claim(store, node)
    [ready] = await stored(store, start_within=SHORT)
    [deferred] = await stored(store, start_within=SHORT, delay=0.001)
    follow_up = (await put(store, "k", start_within=SHORT)).task
    [dependent] = await store.queue.enqueue([new_task(after=(twin.id,), start_within=SHORT)])
    await expired(store, membership, 4)
    for task in (ready, deferred, follow_up, dependent.task):
        facts = await facts_of(store, task)
        assert (facts.state, facts.attempt, facts.started_at) == (State.FAILED, 0, None)
        assert facts.message == "it was not started by its deadline"
    await end(store, node, twin)
    assert await taken(store, node) == []


async def test_one_that_is_deferred_beyond_every_deadline_of_others_stays(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await stored(store, start_within=SHORT)
    [later] = await stored(store, start_within=SHORT, delay=3600.0)
    [patient] = await stored(store, start_within=3600.0)
    await expired(store, membership, 1)
    assert await state_of(store, later) is State.PENDING, "its time begins when it is due"
    assert await taken(store, node) == [patient]


async def test_nobody_claims_a_task_whose_deadline_has_passed(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    [late] = await stored(store, start_within=SHORT)
    await is_past(store, membership)
    assert await taken(store, node) == []
    assert await state_of(store, late) is State.PENDING
    await expired(store, membership, 1)


async def test_a_task_that_was_started_has_no_deadline_any_more(store: Store) -> None:
    node, heir = await node_of(store), await node_of(store, pid=2)
    membership = await leader(store, node)
    await stored(store, 3, start_within=BEFORE)
    retried, returned, lost = await claim(store, node)
    await store.queue.say(node, [said(one) for one in (retried, returned, lost)])
    [canary] = await stored(store, start_within=BEFORE)
    await end(store, node, retried, verdict=Verdict.RETRY)
    await end(store, node, returned, verdict=Verdict.RETURNED)
    expire(store, node)
    await store.cluster.recover()
    membership = await leader(store, heir)
    await expired(store, membership, 1)
    assert await state_of(store, canary) is State.FAILED
    assert sorted(await taken(store, heir)) == sorted([retried.id, returned.id, lost.id])


async def test_a_start_that_was_told_with_the_end_is_a_start(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await stored(store, start_within=BEFORE)
    [returned] = await claim(store, node)
    await end(store, node, returned, verdict=Verdict.RETURNED, started_age=0.0)
    [canary] = await stored(store, start_within=BEFORE)
    await expired(store, membership, 1)
    assert await state_of(store, canary) is State.FAILED
    assert await taken(store, node) == [returned.id]


async def test_a_claim_that_was_never_started_keeps_its_deadline(store: Store) -> None:
    node, lost_node = await node_of(store), await node_of(store, pid=2)
    membership = await leader(store, node)
    await stored(store, 2, start_within=BEFORE)
    [returned] = await claim(store, node, 1)
    [lost] = await claim(store, lost_node)
    await end(store, node, returned, verdict=Verdict.RETURNED, started_age=None)
    await store.cluster.recover(lost_node)
    await expired(store, membership, 2)
    assert await state_of(store, returned.id) is await state_of(store, lost.id) is State.FAILED


async def test_what_runs_beyond_its_deadline_runs_on(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await stored(store, start_within=BEFORE)
    [claimed] = await claim(store, node)
    await stored(store, start_within=BEFORE)
    await expired(store, membership, 1)
    await end(store, node, claimed)
    assert await state_of(store, claimed.id) is State.COMPLETED


async def test_those_behind_a_task_that_was_too_late_go_on(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    [late] = await stored(store, start_within=SHORT, kind="Other")
    [behind] = await store.queue.enqueue([new_task(after=(late,))])
    [needing] = await store.queue.enqueue([new_task(after=(late,), after_success=True)])
    await expired(store, membership, 1)
    await store.queue.release()
    assert await taken(store, node) == [behind.task]
    assert await state_of(store, needing.task) is State.CANCELED


async def test_only_the_leader_of_the_term_fails_them(store: Store) -> None:
    node, neighbour = await node_of(store), await node_of(store, pid=2)
    membership = await leader(store, node)
    await stored(store, start_within=0.001)
    await is_past(store, membership)
    pretenders = [Membership(neighbour, membership.term), Membership(node, membership.term + 1)]
    assert [await store.queue.expire(one, 100) for one in pretenders] == [0, 0]
    assert await store.queue.expire(membership, 100) == 1


async def test_a_page_fails_so_many_and_the_next_the_others(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await stored(store, 5, start_within=0.001)
    await is_past(store, membership)
    assert [await store.queue.expire(membership, 2) for _ in range(4)] == [2, 2, 1, 0]


async def test_an_interrupt_before_the_deadline_is_what_history_says(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    [task] = await stored(store, start_within=BEFORE)
    await ask(store, task)
    await stored(store, start_within=BEFORE)
    await expired(store, membership, 1)
    assert await state_of(store, task) is State.CANCELED
