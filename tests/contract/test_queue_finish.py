"""The Queue contract: finish, and the fence."""

from __future__ import annotations

from datetime import timedelta

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Ended, Settled
from windlass.store.port import Store

from tests.contract.facts import (
    ask,
    claim,
    ended,
    facts_of,
    held,
    leader,
    next_due,
    node_of,
    recovered,
    running,
    said,
    state_of,
    stored,
)
from tests.waiting import eventually


async def test_a_success_completes_the_task_with_its_result(store: Store) -> None:
    node = await node_of(store, name="host/9")
    claimed = await held(store, node)
    assert await store.queue.finish(node, [ended(claimed, result='{"ok": true}')]) == [
        Settled(claimed.id, Verdict.SUCCESS)
    ]
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.result, facts.message, facts.node) == (
        State.COMPLETED,
        b'{"ok": true}',
        "",
        "host/9",
    )
    assert (facts.attempt, facts.uncounted, facts.next_try_at) == (1, 0, None)


async def test_a_failure_fails_the_task_with_its_message_and_result(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.FAILED, message="no", result="[1]")])
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.message, facts.result) == (State.FAILED, "no", b"[1]")


async def test_a_task_that_was_claimed_and_canceled_before_it_started_says_so(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await ask(store, claimed.id)
    [settled] = await store.queue.finish(node, [ended(claimed, Verdict.CANCELED, started_age=None)])
    facts = await facts_of(store, claimed.id)
    assert settled.verdict is Verdict.CANCELED
    assert (facts.state, facts.started_at) == (State.CANCELED, None)


async def test_times_are_the_stores_clock_less_the_ages_that_were_told(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, started_age=60.0, ended_age=20.0)])
    facts = await facts_of(store, claimed.id)
    assert facts.started_at is not None
    assert facts.ended_at is not None
    assert timedelta(seconds=39) < facts.ended_at - facts.started_at < timedelta(seconds=41)
    assert timedelta(seconds=15) < facts.created_at - facts.ended_at < timedelta(seconds=20)


async def test_a_start_that_was_recorded_is_not_moved_by_the_end(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.say(node, [said(claimed, started_age=60.0)])
    began = (await facts_of(store, claimed.id)).started_at
    await store.queue.finish(node, [ended(claimed, started_age=10.0)])
    assert (await facts_of(store, claimed.id)).started_at == began


async def test_a_retry_waits_for_its_pause_and_is_due_afterwards(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    assert await store.queue.finish(node, [ended(claimed, Verdict.RETRY, message="later", pause=60.0)]) == [
        Settled(claimed.id, Verdict.RETRY)
    ]
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.attempt, facts.node, facts.message) == (State.PENDING, 1, None, None)
    assert facts.next_try_at is not None
    assert facts.next_try_at - facts.created_at >= timedelta(seconds=60)
    assert await claim(store, node) == []


async def test_a_retry_without_a_pause_is_due_at_once_but_behind_those_that_wait(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    [waiting] = await stored(store)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY)])
    assert [one.id for one in await claim(store, node)] == [waiting, claimed.id]


async def test_a_handed_back_task_keeps_its_place_and_counts_for_nothing(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    [waiting] = await stored(store)
    assert await store.queue.finish(node, [ended(claimed, Verdict.RETURNED, message="shutdown")]) == [
        Settled(claimed.id, Verdict.RETURNED)
    ]
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.attempt, facts.uncounted) == (State.PENDING, 1, 1)
    assert facts.next_try_at == claimed.next_try_at
    assert [one.id for one in await claim(store, node)] == [claimed.id, waiting]


async def test_a_batch_of_every_verdict_is_settled_one_by_one(store: Store) -> None:
    node = await node_of(store)
    await stored(store, 6)
    claimed = await claim(store, node)
    await ask(store, claimed[5].id)
    verdicts = [
        Verdict.SUCCESS,
        Verdict.FAILED,
        Verdict.RETRY,
        Verdict.CANCELED,
        Verdict.RETURNED,
        Verdict.SUCCESS,
    ]
    batch = [ended(one, verdict, pause=60.0) for one, verdict in zip(claimed, verdicts, strict=True)]
    settled = {one.task: one.verdict for one in await store.queue.finish(node, batch[::-1])}
    assert [settled[one.id] for one in claimed] == [*verdicts[:5], Verdict.CANCELED]
    assert [await state_of(store, one.id) for one in claimed] == [
        State.COMPLETED,
        State.FAILED,
        State.PENDING,
        State.CANCELED,
        State.PENDING,
        State.CANCELED,
    ]


async def test_an_interrupted_task_is_canceled_whatever_its_attempt_says(store: Store) -> None:
    node = await node_of(store)
    for verdict in (Verdict.SUCCESS, Verdict.FAILED, Verdict.RETRY, Verdict.RETURNED, Verdict.CANCELED):
        claimed = await running(store, node)
        assert await ask(store, claimed.id, "eve", "enough") is State.CANCELLING
        [settled] = await store.queue.finish(node, [ended(claimed, verdict, message="it ended when asked")])
        assert settled.verdict is Verdict.CANCELED
        facts = await facts_of(store, claimed.id)
        assert facts.state is State.CANCELED
        assert facts.message == "interrupted by eve: enough; it ended when asked"


async def test_one_result_is_accepted_and_it_never_changes(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, result="1")])
    assert await store.queue.finish(node, [ended(claimed, Verdict.FAILED, message="no", result="2")]) == []
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.result, facts.message) == (State.COMPLETED, b"1", "")


async def test_handing_in_a_retry_twice_is_one_retry(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY)])
    assert await store.queue.finish(node, [ended(claimed, Verdict.RETRY)]) == []
    [again] = await claim(store, node)
    assert again.attempt == 2
    card = await store.library.card(claimed.id)
    assert card is not None
    assert [one.attempt for one in card.attempts] == [1]


async def test_a_superseded_attempt_is_refused_and_the_new_one_is_not_touched(store: Store) -> None:
    node = await node_of(store)
    old = await held(store, node)
    await store.queue.finish(node, [ended(old, Verdict.RETRY)])
    [new] = await claim(store, node)
    assert await store.queue.finish(node, [ended(old, result="1")]) == []
    assert await store.queue.finish(node, [ended(new, result="2")]) == [Settled(new.id, Verdict.SUCCESS)]
    assert (await facts_of(store, new.id)).result == b"2"


async def test_an_attempt_that_has_not_begun_yet_is_refused(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    assert await store.queue.finish(node, [Ended(claimed.id, claimed.attempt + 1, Verdict.SUCCESS, 0.0)]) == []
    assert await state_of(store, claimed.id) is State.PENDING


async def test_another_node_is_refused(store: Store) -> None:
    node, stranger = await node_of(store), await node_of(store, pid=2)
    claimed = await held(store, node)
    assert await store.queue.finish(stranger, [ended(claimed)]) == []
    assert await store.queue.finish(node, [ended(claimed)]) == [Settled(claimed.id, Verdict.SUCCESS)]


async def test_a_lost_node_is_refused_once_its_task_was_taken_back(store: Store) -> None:
    zombie = await node_of(store)
    claimed = await running(store, zombie)
    await store.cluster.leave(zombie)
    await recovered(store, 1)
    assert await store.queue.finish(zombie, [ended(claimed)]) == []
    assert await store.queue.say(zombie, [said(claimed)]) == set()
    heir = await node_of(store, pid=2)
    [again] = await claim(store, heir)
    assert await store.queue.finish(zombie, [ended(claimed)]) == []
    assert await store.queue.finish(heir, [ended(again)]) == [Settled(again.id, Verdict.SUCCESS)]


async def test_a_bad_item_costs_the_others_nothing(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    stranger = Ended(claimed.id + 1_000, 1, Verdict.SUCCESS, 0.0)
    assert await store.queue.finish(node, [stranger, ended(claimed)]) == [Settled(claimed.id, Verdict.SUCCESS)]
    assert await store.queue.finish(node, []) == []


async def test_a_deferred_retry_is_not_claimed_before_it_was_promoted(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    await store.queue.finish(node, [ended(claimed, Verdict.RETRY, pause=3600.0)])
    due = await next_due(store, await leader(store, node), 10)
    assert due is not None
    assert 3500 < due <= 3600
    assert await claim(store, node) == []


async def test_a_task_that_had_started_is_not_late_when_it_is_handed_back(store: Store) -> None:
    node = await node_of(store)
    began, waited = [await held(store, node, start_within=0.5) for _ in range(2)]
    await store.queue.say(node, [said(began)])
    await store.queue.finish(node, [ended(began, Verdict.RETURNED)])
    await store.queue.finish(node, [ended(waited, Verdict.RETURNED, started_age=None)])
    membership = await leader(store, node)

    async def one_was_late() -> bool:
        return await store.queue.expire(membership, 10) == 1

    await eventually(one_was_late)
    assert await state_of(store, began.id) is State.PENDING
    assert await state_of(store, waited.id) is State.FAILED
