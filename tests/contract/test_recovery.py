"""The Cluster contract: taking back what lost nodes hold."""

from __future__ import annotations

import asyncio
from collections import Counter

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import AttemptFacts
from windlass.store.port import Store

from tests.contract.facts import (
    LEASE,
    ask,
    claim,
    ended,
    expire,
    facts_of,
    held,
    new_task,
    node_of,
    recovered,
    running,
    said,
    state_of,
    stored,
)


async def _attempts(store: Store, task: int) -> tuple[AttemptFacts, ...]:
    card = await store.library.card(task)
    assert card is not None
    return card.attempts


async def test_a_live_node_loses_nothing_however_long_its_task_runs(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.say(node, [said(claimed, started_age=90 * 86_400.0)])
    assert await store.cluster.recover() == 0
    assert await state_of(store, claimed.id) is State.RUNNING


async def test_a_lease_nobody_renews_is_recovered_when_it_has_run_out(store: Store) -> None:
    node = await node_of(store, lease=0.3)
    claimed = await running(store, node)
    await recovered(store, 1)
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.attempt, facts.uncounted) == (State.PENDING, 1, 0)
    assert not store.cluster.renew(node, LEASE)


async def test_what_a_node_that_left_still_holds_is_taken_back(store: Store) -> None:
    node = await node_of(store)
    await running(store, node)
    await store.cluster.leave(node)
    assert await store.cluster.recover() == 1


async def test_a_node_proved_dead_loses_its_tasks_and_its_lease_at_once(store: Store) -> None:
    dead, neighbour = await node_of(store), await node_of(store, pid=2)
    lost, kept = await running(store, dead), await running(store, neighbour)
    assert await store.cluster.recover(dead) == 1
    assert await state_of(store, lost.id) is State.PENDING
    assert await state_of(store, kept.id) is State.RUNNING
    assert not store.cluster.renew(dead, LEASE)
    assert await claim(store, dead) == []


async def test_a_started_attempt_counts_and_is_recorded_as_lost(store: Store) -> None:
    node = await node_of(store, name="host/6")
    claimed = await running(store, node)
    await store.cluster.recover(node)
    [tried] = await _attempts(store, claimed.id)
    assert (tried.attempt, tried.verdict, tried.node) == (1, Verdict.LOST, "host/6")
    assert tried.message == "node host/6 was lost"
    assert tried.started_at is not None
    assert tried.ended_at is not None
    [again] = await claim(store, await node_of(store, pid=2))
    assert (again.attempt, again.retries) == (2, 2)


async def test_an_attempt_that_told_of_no_start_counts_for_nothing_but_is_recorded(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node, attempt_limit=1)
    await store.cluster.recover(node)
    [tried] = await _attempts(store, claimed.id)
    assert (tried.verdict, tried.started_at) == (Verdict.LOST, None)
    assert tried.message.endswith("was lost before it told of a start")
    [again] = await claim(store, await node_of(store, pid=2))
    assert (again.id, again.attempt, again.retries) == (claimed.id, 2, 1)


async def test_a_recovered_task_keeps_its_place(store: Store) -> None:
    node = await node_of(store)
    first = await running(store, node)
    [second] = await stored(store)
    await store.cluster.recover(node)
    assert [one.id for one in await claim(store, await node_of(store, pid=2))] == [first.id, second]


async def test_the_last_attempt_that_is_lost_fails_the_task(store: Store) -> None:
    node = await node_of(store, name="host/6")
    claimed = await running(store, node, attempt_limit=1)
    await store.cluster.recover(node)
    facts = await facts_of(store, claimed.id)
    assert facts.state is State.FAILED
    assert facts.message == "node host/6 was lost, and no attempts are left"
    [tried] = await _attempts(store, claimed.id)
    assert tried.verdict is Verdict.LOST


async def test_attempts_handed_back_do_not_bring_the_limit_nearer(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node, attempt_limit=2)
    await store.queue.finish(node, [ended(claimed, Verdict.RETURNED)])
    [second] = await claim(store, node)
    await store.queue.say(node, [said(second)])
    await store.cluster.recover(node)
    assert await state_of(store, claimed.id) is State.PENDING


async def test_an_interrupted_task_of_a_lost_node_is_canceled(store: Store) -> None:
    node = await node_of(store)
    started, waiting = await running(store, node), await held(store, node)
    await ask(store, started.id, "eve", "enough")
    await ask(store, waiting.id, "eve")
    assert await store.cluster.recover(node) == 2
    assert await state_of(store, started.id) is await state_of(store, waiting.id) is State.CANCELED
    assert (await facts_of(store, started.id)).message == "interrupted by eve: enough; its node was lost"


async def test_a_task_that_finished_in_the_meantime_is_not_touched(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    expire(store, node)
    await store.queue.finish(node, [ended(claimed, result="1")])
    before = await facts_of(store, claimed.id)
    assert await store.cluster.recover(node) == 0
    assert await facts_of(store, claimed.id) == before
    assert before.state is State.COMPLETED


async def test_a_task_that_was_claimed_again_is_not_touched(store: Store) -> None:
    dead, heir = await node_of(store), await node_of(store, pid=2)
    await running(store, dead)
    await store.cluster.recover(dead)
    [again] = await claim(store, heir)
    await store.queue.say(heir, [said(again)])
    assert await store.cluster.recover(dead) == 0
    assert (await facts_of(store, again.id)).attempt == 2
    assert await state_of(store, again.id) is State.RUNNING


async def test_recovering_twice_recovers_once(store: Store, other: Store) -> None:
    node = await node_of(store)
    await stored(store, 50)
    await claim(store, node)
    await store.cluster.leave(node)
    taken = await asyncio.gather(*(door.cluster.recover() for door in (store, other, store, other)))
    assert sum(taken) == 50
    assert len(await claim(store, await node_of(store, pid=2))) == 50


async def test_recovery_races_the_end_and_every_task_has_one_outcome(store: Store, other: Store) -> None:
    node, heir = await node_of(store), await node_of(store, pid=2)
    await store.queue.enqueue([new_task() for _ in range(100)])
    claimed = await claim(store, node)
    await store.queue.say(node, [said(one) for one in claimed])
    settled: list[int] = []

    async def finish() -> None:
        for start in range(0, 100, 5):
            ends = [ended(one, result="1") for one in claimed[start : start + 5]]
            settled.extend(one.task for one in await store.queue.finish(node, ends))

    expire(store, node)
    taken = sum((await asyncio.gather(finish(), *(other.cluster.recover() for _ in range(5))))[1:])  # type: ignore[arg-type]
    taken += await other.cluster.recover()
    assert len(settled) == len(set(settled))
    assert len(settled) + taken == 100
    assert sorted([*settled, *(one.id for one in await claim(store, heir))]) == [one.id for one in claimed]
    states = Counter([await state_of(store, task) for task in settled])
    assert set(states) <= {State.COMPLETED}


async def test_more_than_a_page_of_tasks_is_taken_back_in_one_call(store: Store) -> None:
    node = await node_of(store)
    await stored(store, 2_300)
    while await claim(store, node):
        pass
    await store.cluster.leave(node)
    assert await store.cluster.recover() == 2_300
    assert await store.cluster.recover() == 0
