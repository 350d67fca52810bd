"""The Queue contract: interrupts."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.errors import TaskNotFound, TaskOver
from windlass.store.facts import Asked, Claimed, Interrupted
from windlass.store.port import Store

from tests.contract.facts import (
    ask,
    claim,
    ended,
    events_of,
    facts_of,
    held,
    leader,
    new_task,
    next_due,
    node_of,
    running,
    state_of,
    stored,
)


async def test_a_waiting_task_is_canceled_at_once(store: Store) -> None:
    node = await node_of(store)
    [task] = await stored(store)
    assert await store.queue.interrupt(Asked(task, "eve", "not needed")) == Interrupted(State.CANCELED)
    facts = await facts_of(store, task)
    assert (facts.state, facts.message, facts.attempt) == (State.CANCELED, "interrupted by eve: not needed", 0)
    assert facts.ended_at is not None
    assert await claim(store, node) == []


async def test_without_a_reason_the_message_says_who(store: Store) -> None:
    [task] = await stored(store)
    await ask(store, task, "eve", "")
    assert (await facts_of(store, task)).message == "interrupted by eve"


async def test_a_task_that_is_not_due_yet_is_canceled_at_once(store: Store) -> None:
    node = await node_of(store)
    [task] = await stored(store, delay=3600.0)
    assert await ask(store, task) is State.CANCELED
    assert await next_due(store, await leader(store, node), 10) is None, "nothing is due any more"


async def test_a_task_that_waits_for_another_attempt_is_canceled_with_the_attempts_it_had(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY, pause=3600.0)])
    assert await ask(store, claimed.id) is State.CANCELED
    card = await store.library.card(claimed.id)
    assert card is not None
    assert (card.task.state, card.task.attempt) == (State.CANCELED, 1)
    assert [one.verdict for one in card.attempts] == [Verdict.RETRY]


async def test_a_running_task_is_flagged_for_its_node(store: Store) -> None:
    node, neighbour = await node_of(store), await node_of(store, pid=2)
    claimed = await running(store, node)
    assert await store.queue.interrupt(Asked(claimed.id, "eve", "enough")) == Interrupted(State.CANCELLING, node)
    assert await state_of(store, claimed.id) is State.CANCELLING
    assert await store.queue.interrupts(node) == [Asked(claimed.id, "eve", "enough")]
    assert await store.queue.interrupts(neighbour) == []


async def test_a_claimed_task_that_has_not_started_is_flagged_too(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    assert await ask(store, claimed.id) is State.CANCELLING
    assert [asked.task for asked in await store.queue.interrupts(node)] == [claimed.id]


async def test_asking_twice_is_no_error_and_the_first_asker_is_kept(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id, "eve", "first")
    assert await ask(store, claimed.id, "mallory", "second") is State.CANCELLING
    assert await store.queue.interrupts(node) == [Asked(claimed.id, "eve", "first")]


async def test_a_first_asker_without_a_reason_is_kept_too(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id, "eve", "")
    await ask(store, claimed.id, "mallory", "second")
    assert await store.queue.interrupts(node) == [Asked(claimed.id, "eve", "")]


async def test_an_interrupt_stays_listed_until_the_task_ends(store: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    await ask(store, claimed.id)
    assert len(await store.queue.interrupts(node)) == len(await store.queue.interrupts(node)) == 1
    await store.queue.finish(node, [ended(claimed, Verdict.CANCELED)])
    assert await store.queue.interrupts(node) == []


async def test_an_unknown_task_is_not_found(store: Store) -> None:
    with pytest.raises(TaskNotFound) as refused:
        await ask(store, 4711)
    assert refused.value.facts == {"task": "4711"}


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.FAILED])
async def test_a_task_that_has_ended_is_over_and_stays_as_it_is(store: Store, verdict: Verdict) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, verdict)])
    before = await facts_of(store, claimed.id)
    with pytest.raises(TaskOver) as refused:
        await ask(store, claimed.id)
    assert refused.value.facts == {"task": str(claimed.id), "state": before.state.name}
    assert await facts_of(store, claimed.id) == before


async def test_a_canceled_task_is_over(store: Store) -> None:
    [task] = await stored(store)
    await ask(store, task, "eve")
    with pytest.raises(TaskOver):
        await ask(store, task, "mallory")
    assert (await facts_of(store, task)).message == "interrupted by eve"


async def test_an_interrupt_races_the_claim_and_each_task_ends_in_exactly_one_state(store: Store, other: Store) -> None:
    node = await node_of(store)
    tasks = [receipt.task for receipt in await store.queue.enqueue([new_task() for _ in range(200)])]
    taken: list[Claimed] = []
    answers: dict[int, State] = {}

    async def take() -> None:
        while page := await claim(store, node, 7):
            taken.extend(page)

    async def interrupt(some: list[int]) -> None:
        for task in some:
            answers[task] = await ask(other, task)

    await asyncio.gather(take(), *(interrupt(tasks[n::4]) for n in range(4)))
    flagged = {asked.task for asked in await store.queue.interrupts(node)}
    assert {one.id for one in taken} == flagged == {task for task in tasks if answers[task] is State.CANCELLING}
    settled = await store.queue.finish(node, [ended(one) for one in taken])
    assert {one.verdict for one in settled} <= {Verdict.CANCELED}
    assert Counter([await state_of(store, task) for task in tasks]) == {State.CANCELED: 200}


async def test_an_interrupt_races_the_end_and_never_makes_two_of_it(store: Store, other: Store) -> None:
    node = await node_of(store)
    await stored(store, 60)
    taken = await claim(store, node)
    over = 0

    async def interrupt(task: int) -> None:
        nonlocal over
        try:
            await ask(other, task)
        except TaskOver:
            over += 1

    async def finish() -> None:
        for one in taken:
            await store.queue.finish(node, [ended(one, Verdict.SUCCESS)])

    await asyncio.gather(finish(), *(interrupt(one.id) for one in reversed(taken)))
    states = Counter([await state_of(store, one.id) for one in taken])
    assert set(states) <= {State.COMPLETED, State.CANCELED}
    assert states[State.COMPLETED] == over
    for one in taken:
        assert sum(event.final for event in await events_of(store, one.id)) == 1


async def test_an_interrupt_races_a_promotion_and_wins_once(store: Store, other: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    tasks = await stored(store, 100, delay=0.001)

    async def promote() -> None:
        while await next_due(store, membership, 5) is not None:
            pass

    async def interrupt(some: list[int]) -> None:
        for task in some:
            assert await ask(other, task) is State.CANCELED

    await asyncio.gather(promote(), interrupt(tasks[::2]), interrupt(tasks[1::2]))
    assert Counter([await state_of(store, task) for task in tasks]) == {State.CANCELED: 100}
    assert await claim(store, node) == []
