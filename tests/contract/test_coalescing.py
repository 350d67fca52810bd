"""The Queue contract: requests with the same coalesce key fold into one task, and nobody is missed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.errors import RequestIdReused
from windlass.store.facts import NewTask, Receipt, Sort
from windlass.store.port import Store

from tests.contract.facts import (
    BEFORE,
    ask,
    claim,
    end,
    ended,
    facts_of,
    leader,
    new_task,
    node_of,
    put,
    recovered,
    said,
    state_of,
    stored,
    taken,
)
from tests.waiting import eventually

HASH, OTHER_HASH = b"1" * 16, b"2" * 16


def keyed(number: int, **changes: Any) -> NewTask:
    """A request whose payload is its number."""
    return new_task(**({"coalesce_key": "k", "payload": f'{{"i": {number}}}'} | changes))


async def folded(store: Store, task: int) -> list[int]:
    """The numbers of those who joined, in the order of the fold."""
    found = (await store.queue.joined([task])).get(task, [])
    return [msgspec.json.decode(one.payload)["i"] for one in found]


async def active(store: Store) -> int:
    return len((await store.library.active(1_000, None)).items)


async def test_the_first_of_a_key_is_created_and_the_next_join_it(store: Store) -> None:
    first = await put(store)
    assert (first.sort, first.state, first.joined) == (Sort.CREATED, State.PENDING, 0)
    for count in (1, 2, 3):
        assert await put(store) == Receipt(first.task, Sort.JOINED, State.PENDING, count)
    assert await active(store) == 1


async def test_another_key_another_kind_and_no_key_are_tasks_of_their_own(store: Store) -> None:
    tasks = {(await put(store, "a")).task, (await put(store, "b")).task, (await put(store, "a", kind="Other")).task}
    tasks |= {(await put(store, None)).task, (await put(store, None)).task}
    assert len(tasks) == 5


async def test_a_key_may_be_any_text(store: Store) -> None:
    for key in ("", " ", 'ä"\\{},', "NULL", "k" * 500):
        first, second = await put(store, key), await put(store, key)
        assert (second.task, second.sort) == (first.task, Sort.JOINED), key


async def test_who_joins_is_kept_in_the_order_of_coming_with_payload_trigger_and_initiator(store: Store) -> None:
    first = await put(store)
    for number, who in ((1, "bea"), (2, "cy")):
        await store.queue.enqueue([keyed(number, initiator=who, trigger="startup", origin=2)])
    one, two = (await store.queue.joined([first.task]))[first.task]
    assert (one.initiator, two.initiator) == ("bea", "cy")
    assert (one.trigger, one.origin, one.running) == ("startup", 2, False)
    assert one.at <= two.at
    assert await folded(store, first.task) == [1, 2]
    assert (await facts_of(store, first.task)).payload == b'{"i": 1}', "a request is written once"


async def test_history_keeps_who_joined(store: Store) -> None:
    node = await node_of(store)
    first = await put(store)
    await put(store, initiator="bea")
    await end(store, node, *await claim(store, node))
    card = await store.library.card(first.task)
    assert card is not None
    assert [(one.initiator, one.payload) for one in card.joined] == [("bea", b"")]


async def test_the_priority_becomes_the_highest(store: Store) -> None:
    first = await put(store, priority=5)
    await put(store, priority=12)
    await put(store, priority=1)
    assert (await facts_of(store, first.task)).priority == 12


async def test_a_raised_task_is_claimed_at_its_new_place_even_by_who_claims_all_the_time(store: Store) -> None:
    node = await node_of(store)
    first = await put(store, priority=3)
    [low, high] = [*await stored(store, priority=3), *await stored(store, priority=9)]
    assert await taken(store, node, 1) == [high]
    await put(store, priority=9)
    assert await taken(store, node) == [first.task, low]


async def test_the_earliest_time_wins(store: Store) -> None:
    first = await put(store, delay=3600.0)
    was = (await facts_of(store, first.task)).next_try_at
    await put(store, delay=7200.0)
    assert (await facts_of(store, first.task)).next_try_at == was
    await put(store, delay=600.0)
    now = (await facts_of(store, first.task)).next_try_at
    assert was is not None
    assert now is not None
    assert now < was


async def test_a_request_that_is_due_now_brings_a_later_task_forward(store: Store) -> None:
    node = await node_of(store)
    first = await put(store, delay=3600.0)
    assert await taken(store, node) == []
    receipt = await put(store, priority=7)
    assert receipt == Receipt(first.task, Sort.JOINED, State.PENDING, 1)
    [claimed] = await claim(store, node)
    assert (claimed.id, claimed.priority) == (first.task, 7)


async def test_a_later_request_does_not_put_a_due_task_off(store: Store) -> None:
    node = await node_of(store)
    first = await put(store)
    await put(store, delay=3600.0)
    assert await taken(store, node) == [first.task]


async def test_a_repeated_request_id_joins_only_once(store: Store) -> None:
    first = await put(store)
    request = keyed(2, request_id=uuid4(), body_hash=HASH)
    assert await store.queue.enqueue([request]) == [Receipt(first.task, Sort.JOINED, State.PENDING, 1)]
    [again] = await store.queue.enqueue([request])
    assert (again.task, again.sort) == (first.task, Sort.REPEATED)
    assert await folded(store, first.task) == [2]


async def test_a_repeated_request_id_finds_its_task_after_the_end_and_makes_none(store: Store) -> None:
    node = await node_of(store)
    request = keyed(1, request_id=uuid4(), body_hash=HASH)
    [first] = await store.queue.enqueue([request])
    await end(store, node, *await claim(store, node))
    assert [(r.task, r.sort) for r in await store.queue.enqueue([request])] == [(first.task, Sort.REPEATED)]
    assert await active(store) == 0


async def test_a_request_id_with_another_body_is_refused_and_nothing_joins(store: Store) -> None:
    first = await put(store, request_id=(id_ := uuid4()), body_hash=HASH)
    with pytest.raises(RequestIdReused) as refused:
        await store.queue.enqueue([keyed(1), new_task(), keyed(2, request_id=id_, body_hash=OTHER_HASH)])
    assert refused.value.facts["task"] == str(first.task)
    assert await folded(store, first.task) == []
    assert await active(store) == 1


async def test_of_different_callers_only_the_wrong_one_is_refused(store: Store) -> None:
    first = await put(store, request_id=(id_ := uuid4()), body_hash=HASH)
    requests = [keyed(1), keyed(2, request_id=id_, body_hash=OTHER_HASH), new_task(), keyed(3)]
    joined, refused, alone, joined_too = await store.queue.enqueue_each(requests)
    assert isinstance(refused, RequestIdReused)
    assert isinstance(alone, Receipt)
    assert alone.sort is Sort.CREATED
    assert joined == Receipt(first.task, Sort.JOINED, State.PENDING, 1)
    assert joined_too == Receipt(first.task, Sort.JOINED, State.PENDING, 2)


async def test_a_batch_of_all_sorts_answers_in_its_order(store: Store) -> None:
    again = keyed(9, request_id=uuid4(), body_hash=HASH)
    batch = [
        *(new_task(), keyed(1), keyed(2, coalesce_key="b"), keyed(3), new_task(delay=60.0)),
        *(again, keyed(4, coalesce_key="b"), again, new_task(slot_key="s", slot_limit=1)),
    ]
    receipts = await store.queue.enqueue(batch)
    created, joined, repeated = Sort.CREATED, Sort.JOINED, Sort.REPEATED
    sorts = [created, created, created, joined, created, joined, joined, repeated, created]
    assert [receipt.sort for receipt in receipts] == sorts
    assert receipts[1].task == receipts[3].task == receipts[5].task == receipts[7].task
    assert receipts[2].task == receipts[6].task
    assert await folded(store, receipts[1].task) == [3, 9]
    assert await folded(store, receipts[2].task) == [4]


async def test_a_follow_up_waits_behind_the_one_that_runs(store: Store) -> None:
    node = await node_of(store)
    first = await put(store)
    [claimed] = await claim(store, node)
    follow_up = await put(store)
    assert (follow_up.sort, follow_up.state, follow_up.joined) == (Sort.CREATED, State.PENDING, 0)
    assert follow_up.task != first.task
    assert await put(store) == Receipt(follow_up.task, Sort.JOINED, State.PENDING, 1)
    assert await store.queue.release() == 0
    assert await taken(store, node) == []
    await end(store, node, claimed)
    assert await taken(store, node) == [follow_up.task]


async def _behind(store: Store, node: int, **changes: Any) -> tuple[Any, int]:
    """A started task, and the follow-up behind it."""
    await put(store, **changes)
    [claimed] = await claim(store, node)
    await store.queue.say(node, [said(claimed)])
    return claimed, (await put(store)).task


@pytest.mark.parametrize("verdict", [Verdict.SUCCESS, Verdict.FAILED, Verdict.CANCELED])
async def test_any_end_lets_the_follow_up_go(store: Store, verdict: Verdict) -> None:
    node = await node_of(store)
    claimed, follow_up = await _behind(store, node)
    await end(store, node, claimed, verdict=verdict)
    assert await taken(store, node) == [follow_up]


async def test_an_interrupt_lets_the_follow_up_go_when_the_task_has_ended_and_not_before(store: Store) -> None:
    node = await node_of(store)
    claimed, follow_up = await _behind(store, node)
    await ask(store, claimed.id)
    assert await store.queue.release() == 0
    await end(store, node, claimed)
    assert await taken(store, node) == [follow_up]


async def test_a_lost_node_keeps_the_follow_up_behind_until_the_last_attempt(store: Store) -> None:
    first, second, third = [await node_of(store, pid=pid) for pid in (1, 2, 3)]
    claimed, follow_up = await _behind(store, first, attempt_limit=2)
    await store.cluster.recover(first)
    await store.queue.release()
    [again] = await claim(store, second)
    assert again.id == claimed.id
    await store.queue.say(second, [said(again)])
    await store.cluster.recover(second)
    assert await state_of(store, claimed.id) is State.FAILED
    await store.queue.release()
    assert await taken(store, third) == [follow_up]


async def test_an_interrupted_task_of_a_lost_node_lets_its_follow_up_go(store: Store) -> None:
    node, heir = await node_of(store), await node_of(store, pid=2)
    claimed, follow_up = await _behind(store, node)
    await ask(store, claimed.id)
    await store.cluster.leave(node)
    await recovered(store, 1)
    await store.queue.release()
    assert await taken(store, heir) == [follow_up]


async def test_a_task_that_waits_between_its_attempts_is_still_under_way(store: Store) -> None:
    node = await node_of(store)
    await leader(store, node)
    claimed, follow_up = await _behind(store, node)
    await end(store, node, claimed, verdict=Verdict.RETRY, pause=3600.0)
    assert await put(store) == Receipt(follow_up, Sort.JOINED, State.PENDING, 1)
    assert await taken(store, node) == []
    await ask(store, claimed.id)
    await store.queue.release()
    assert await taken(store, node) == [follow_up]


async def test_a_retry_without_a_pause_goes_before_its_follow_up(store: Store) -> None:
    node = await node_of(store)
    claimed, follow_up = await _behind(store, node)
    await end(store, node, claimed, verdict=Verdict.RETRY)
    [again] = await claim(store, node)
    assert again.id == claimed.id
    await end(store, node, again)
    assert await taken(store, node) == [follow_up]


async def test_an_attempt_that_was_handed_back_keeps_its_follow_up_behind(store: Store) -> None:
    node = await node_of(store)
    claimed, follow_up = await _behind(store, node)
    await end(store, node, claimed, verdict=Verdict.RETURNED)
    [again] = await claim(store, node)
    assert again.id == claimed.id
    await end(store, node, again)
    assert await taken(store, node) == [follow_up]


async def test_a_follow_up_that_is_due_later_waits_for_its_time_too(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    await put(store)
    [claimed] = await claim(store, node)
    follow_up = await put(store, delay=BEFORE)
    await end(store, node, claimed)
    assert await taken(store, node) == []

    async def came() -> bool:
        await store.queue.promote(membership, 10)
        return await taken(store, node) == [follow_up.task]

    await eventually(came)


async def test_a_canceled_follow_up_makes_room_for_another(store: Store) -> None:
    node = await node_of(store)
    claimed, follow_up = await _behind(store, node)
    assert await ask(store, follow_up) is State.CANCELED
    another = await put(store)
    assert another.sort is Sort.CREATED
    await end(store, node, claimed)
    assert await taken(store, node) == [another.task]


async def test_a_key_whose_task_has_ended_begins_anew(store: Store) -> None:
    node = await node_of(store)
    first = await put(store)
    await end(store, node, *await claim(store, node))
    second = await put(store)
    assert (second.sort, second.task != first.task) == (Sort.CREATED, True)
    assert await folded(store, second.task) == []
    assert await taken(store, node) == [second.task]


async def test_a_kind_that_joins_its_running_twin_is_told_so(store: Store) -> None:
    node = await node_of(store)
    first = await put(store, joins_running=True)
    assert (await put(store, joins_running=True)).state is State.PENDING
    [claimed] = await claim(store, node)
    await store.queue.say(node, [said(claimed)])
    assert await put(store, joins_running=True) == Receipt(first.task, Sort.JOINED, State.RUNNING, 2)
    pending, running = (await store.queue.joined([first.task]))[first.task]
    assert (pending.running, running.running) == (False, True)
    assert await active(store) == 1


async def test_it_joins_one_that_waits_between_its_attempts(store: Store) -> None:
    node = await node_of(store)
    first = await put(store, joins_running=True)
    await end(store, node, *await claim(store, node), verdict=Verdict.RETRY, pause=3600.0)
    joined = await put(store, joins_running=True)
    assert (joined.task, joined.sort, joined.state) == (first.task, Sort.JOINED, State.RUNNING)


async def test_one_that_is_being_canceled_is_not_joined(store: Store) -> None:
    node = await node_of(store)
    first = await put(store, joins_running=True)
    [claimed] = await claim(store, node)
    await ask(store, first.task)
    behind = await put(store, joins_running=True)
    assert (behind.sort, behind.task != first.task) == (Sort.CREATED, True)
    assert await taken(store, node) == []
    await end(store, node, claimed)
    assert await taken(store, node) == [behind.task]


async def test_never_more_than_one_pending_and_one_under_way(store: Store, other: Store) -> None:
    node = await node_of(store)
    numbers = iter(range(10_000))
    served: set[int] = set()
    asked = 0
    for _ in range(15):
        requests = [[keyed(next(numbers), coalesce_key=key) for key in ("a", "b")] for _ in range(6)]
        asked += 12
        doors = (store, other) * 3
        await asyncio.gather(*(door.queue.enqueue(batch) for door, batch in zip(doors, requests, strict=True)))
        waiting = (await store.library.active(100, None)).items
        assert len([one for one in waiting if one.coalesce_key == "a"]) <= 2
        claimed = await claim(store, node)
        assert len({one.coalesce_key for one in claimed}) == len(claimed)
        served |= await _served(store, [one.id for one in claimed])
        await end(store, node, *claimed)
    served |= await _served(store, await taken(store, node))
    assert len(served) == asked, "a request was missed"


async def _served(store: Store, tasks: Sequence[int]) -> set[int]:
    served: set[int] = set()
    for task in tasks:
        served.add(msgspec.json.decode((await facts_of(store, task)).payload or b"")["i"])
        served.update(await folded(store, task))
    return served


async def test_what_a_refused_batch_would_have_joined_knows_nothing_of_it(store: Store) -> None:
    first = await put(store, priority=1, delay=3600.0, request_id=(id_ := uuid4()), body_hash=HASH)
    before = await facts_of(store, first.task)
    with pytest.raises(RequestIdReused):
        await store.queue.enqueue([keyed(1, priority=50), keyed(2, request_id=id_, body_hash=OTHER_HASH)])
    assert await facts_of(store, first.task) == before


async def test_finishing_one_of_a_key_says_that_it_may_open_a_gate(store: Store) -> None:
    node = await node_of(store)
    await put(store)
    await put(store, None)
    settled = await store.queue.finish(node, [ended(one) for one in await claim(store, node)])
    assert sorted(one.opens for one in settled) == [False, True]
