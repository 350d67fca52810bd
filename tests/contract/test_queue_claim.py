"""The Queue contract: claim and reclaim."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import Claimed
from windlass.store.port import Store

from tests.contract.facts import (
    SHORT,
    ask,
    claim,
    ended,
    expire,
    facts_of,
    held,
    leader,
    new_task,
    next_due,
    node_of,
    running,
    said,
    state_of,
    stored,
)
from tests.waiting import eventually


async def test_an_enqueued_task_is_claimed_once(store: Store) -> None:
    node = await node_of(store)
    [receipt] = await store.queue.enqueue([new_task()])
    [claimed] = await store.queue.claim(node, "default", ["Noop"], 10)
    assert (claimed.id, claimed.attempt, claimed.retries) == (receipt.task, 1, 1)
    assert await store.queue.claim(node, "default", ["Noop"], 10) == []


async def test_a_claim_hands_over_everything_a_handler_needs(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(
        store,
        node,
        title="Hello",
        priority=7,
        trigger="retry",
        initiator="cron",
        labels='{"a": "1"}',
        payload="[1]",
        attempt_limit=2,
        retry_pause=0.5,
    )
    facts = await facts_of(store, claimed.id)
    assert (claimed.kind, claimed.title, claimed.priority, claimed.trigger) == ("Noop", "Hello", 7, "retry")
    assert (claimed.initiator, claimed.labels, claimed.payload) == ("cron", b'{"a": "1"}', b"[1]")
    assert (claimed.attempt_limit, claimed.retry_pause) == (2, 0.5)
    assert (claimed.created_at, claimed.next_try_at) == (facts.created_at, facts.next_try_at)


async def test_a_claimed_task_waits_for_people_until_it_has_started(store: Store) -> None:
    node = await node_of(store, name="host/7")
    claimed = await held(store, node)
    facts = await facts_of(store, claimed.id)
    assert (facts.state, facts.attempt, facts.node) == (State.PENDING, 1, "host/7")
    await store.queue.say(node, [said(claimed)])
    assert await state_of(store, claimed.id) is State.RUNNING


async def test_the_order_is_priority_then_time_then_id_over_any_number_of_pages(store: Store) -> None:
    node = await node_of(store)
    chance = random.Random(6)
    for _ in range(8):
        await store.queue.enqueue([new_task(priority=chance.choice([0, 4, 5, 9, 10, 100])) for _ in range(25)])
    for again in chance.sample(await claim(store, node, 200), 40):
        await store.queue.finish(node, [ended(again, Verdict.RETRY)])
    for _ in range(4):
        await store.queue.enqueue([new_task(priority=chance.choice([0, 4, 5, 9, 10, 100])) for _ in range(25)])

    listed = (await store.library.active(1_000, None)).items
    waiting = [facts for facts in listed if facts.node is None]
    got: list[Claimed] = []
    while page := await claim(store, node, 7):
        got += page
    keys = [(-claimed.priority, claimed.next_try_at, claimed.id) for claimed in got]
    assert len(got) == 140
    assert keys == sorted(keys)
    assert [claimed.id for claimed in got] == [facts.id for facts in waiting], "and it is the order that people see"


async def test_of_equals_the_first_come_is_the_first_served(store: Store) -> None:
    node = await node_of(store)
    tasks = [task for _ in range(5) for task in await stored(store)]
    assert [(await claim(store, node, 1))[0].id for _ in range(5)] == tasks


async def test_only_what_is_due_is_claimed(store: Store) -> None:
    node = await node_of(store)
    [due] = await stored(store)
    await stored(store, delay=3600.0, priority=100)
    assert [claimed.id for claimed in await claim(store, node)] == [due]


async def test_only_the_pool_that_was_named_is_claimed_from(store: Store) -> None:
    node = await node_of(store)
    [mine] = await stored(store, pool="mine")
    [other] = await stored(store, pool="other")
    assert [claimed.id for claimed in await claim(store, node, pool="mine")] == [mine]
    assert await state_of(store, other) is State.PENDING
    assert [claimed.id for claimed in await claim(store, node, pool="other")] == [other]


async def test_only_known_kinds_are_claimed_and_the_others_wait(store: Store) -> None:
    node = await node_of(store)
    [strange] = await stored(store, kind="Strange", priority=100)
    [known] = await stored(store)
    assert [claimed.id for claimed in await claim(store, node)] == [known]
    assert await store.queue.claim(node, "default", [], 10) == []
    assert (await facts_of(store, strange)).attempt == 0


async def test_a_claim_never_takes_more_than_it_asked_for(store: Store) -> None:
    node = await node_of(store)
    await stored(store, 10)
    assert len(await claim(store, node, 3)) == 3
    assert len(await claim(store, node, 100)) == 7


async def test_claimers_at_once_never_share_a_task(store: Store, other: Store) -> None:
    await stored(store, 400)
    taken: Counter[int] = Counter()

    async def drain(door: Store, node: int) -> None:
        while claimed := await claim(door, node, 7):
            taken.update(one.id for one in claimed)
            await door.queue.finish(node, [ended(one) for one in claimed])

    nodes = [(door, await node_of(door, pid=n)) for n, door in enumerate([store, other, store, other])]
    await asyncio.gather(*(drain(door, node) for door, node in nodes))
    assert len(taken) == 400
    assert set(taken.values()) == {1}


async def test_a_node_without_a_live_lease_gets_nothing(store: Store) -> None:
    [task] = await stored(store)
    left = await node_of(store)
    await store.cluster.leave(left)
    assert await claim(store, left) == []
    assert await claim(store, left + 1_000) == [], "no such node"
    expired = await node_of(store)
    expire(store, expired)
    assert await claim(store, expired) == []
    assert (await facts_of(store, task)).attempt == 0


async def test_every_claim_raises_the_attempt_and_only_counted_ones_the_retries(store: Store) -> None:
    node = await node_of(store)
    first = await held(store, node)
    await store.queue.finish(node, [ended(first, Verdict.RETRY)])
    [second] = await claim(store, node)
    await store.queue.finish(node, [ended(second, Verdict.RETURNED)])
    [third] = await claim(store, node)
    await store.queue.finish(node, [ended(third, Verdict.RETURNED, started_age=None)])
    [fourth] = await claim(store, node)
    attempts = [(claimed.attempt, claimed.retries) for claimed in (first, second, third, fourth)]
    assert attempts == [(1, 1), (2, 2), (3, 2), (4, 2)]


async def test_a_claim_whose_answer_was_lost_is_found_again(store: Store) -> None:
    node, neighbour = await node_of(store), await node_of(store, pid=2)
    known, lost, theirs = [claimed for _ in range(2) for claimed in [await held(store, node)]] + [
        await held(store, neighbour)
    ]
    [found] = await store.queue.reclaim(node, "default", [known.id])
    assert found == lost
    assert await store.queue.reclaim(node, "default", [known.id, lost.id]) == []
    assert [claimed.id for claimed in await store.queue.reclaim(neighbour, "default", [])] == [theirs.id]


async def test_what_another_pool_of_the_node_claims_at_this_moment_is_not_lost(store: Store) -> None:
    node = await node_of(store)
    [task] = await stored(store, pool="other")
    await claim(store, node, pool="other")
    assert await store.queue.reclaim(node, "default", []) == []
    assert [claimed.id for claimed in await store.queue.reclaim(node, "other", [])] == [task]


async def test_what_has_started_or_ended_is_not_reclaimed(store: Store) -> None:
    node = await node_of(store)
    await running(store, node)
    over = await held(store, node)
    await store.queue.finish(node, [ended(over)])
    assert await store.queue.reclaim(node, "default", []) == []


async def test_a_lost_claim_that_was_interrupted_is_still_found(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    assert await ask(store, claimed.id) is State.CANCELLING
    assert [found.id for found in await store.queue.reclaim(node, "default", [])] == [claimed.id]


async def test_a_promoted_task_keeps_the_place_its_time_gives_it(store: Store) -> None:
    node = await node_of(store)
    [early] = await stored(store, delay=SHORT)
    membership = await leader(store, node)

    async def promoted() -> bool:
        return await next_due(store, membership, 10) is None

    await eventually(promoted)
    [late] = await stored(store)
    assert [claimed.id for claimed in await claim(store, node)] == [early, late]


async def test_a_node_whose_lease_ran_out_can_not_claim_although_nobody_recovered_it(store: Store) -> None:
    node = await node_of(store)
    await held(store, node)
    expire(store, node)
    await stored(store)
    assert await claim(store, node) == []
