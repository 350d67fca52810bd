"""The gates under real concurrency: nobody is missed, no limit passed, no wake-up lost, and nothing deadlocks."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
import pytest_asyncio
from windlass.core.lifecycle import State, Verdict
from windlass.errors import TaskNotFound, TaskOver
from windlass.store.facts import Asked, Claimed, NewTask, Receipt, Sort
from windlass.store.postgres import PostgresStore, open_store

from tests.contract.facts import claim, end, ended, new_task, node_of, put, stored, taken
from tests.waiting import eventually

WITHIN = 5.0
CONNECTIONS = 8


@pytest_asyncio.fixture
async def doors(dsn: str) -> AsyncIterator[list[PostgresStore]]:
    """So many stores on one database, as so many processes have."""
    opened = [await open_store(dsn, connections=3) for _ in range(CONNECTIONS)]
    yield opened
    for door in opened:
        await door.close()


@pytest.fixture
def deadlocks(dsn: str) -> Any:
    """How many deadlocks the database has broken so far."""

    def count() -> int:
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("select pg_stat_force_next_flush()")
            query = "select deadlocks from pg_stat_database where datname = current_database()"
            [[found]] = connection.execute(query).fetchall()
            return int(found)

    return count


def keyed(number: int, key: str = "k", **changes: Any) -> NewTask:
    return new_task(coalesce_key=key, payload=f'{{"i": {number}}}', **changes)


async def folded(store: PostgresStore, claimed: Claimed) -> set[int]:
    """The numbers that this run serves: its own and those who joined, read after its claim."""
    joined = (await store.queue.joined([claimed.id])).get(claimed.id, [])
    return {msgspec.json.decode(payload)["i"] for payload in (claimed.payload, *(one.payload for one in joined))}


async def test_who_is_told_that_he_joined_a_waiting_task_is_in_that_runs_fold(doors: list[PostgresStore]) -> None:
    promised: dict[int, set[int]] = {}
    served: dict[int, set[int]] = {}
    asking = len(doors) - 2

    async def ask(door: PostgresStore, first: int) -> None:
        nonlocal asking
        for number in range(first, first + 60):
            [receipt] = await door.queue.enqueue([keyed(number, f"k{number % 2}")])
            promised.setdefault(receipt.task, set()).add(number)
        asking -= 1

    async def serve(door: PostgresStore) -> None:
        node = await node_of(door)
        idle = 0
        while asking or idle < 3:
            claimed = await claim(door, node, 10)
            idle = 0 if claimed else idle + 1
            for one in claimed:
                served[one.id] = await folded(door, one)
            await end(door, node, *claimed)

    asks = (ask(door, 1_000 * place) for place, door in enumerate(doors[2:], start=1))
    await asyncio.wait_for(asyncio.gather(*(serve(door) for door in doors[:2]), *asks), 60)
    missed = {task: numbers - served.get(task, set()) for task, numbers in promised.items()}
    assert {task: numbers for task, numbers in missed.items() if numbers} == {}
    assert sum(map(len, served.values())) == 60 * (len(doors) - 2)


async def test_eight_connections_at_once_make_one_task_of_a_new_key(doors: list[PostgresStore]) -> None:
    for turn in range(10):
        answers = await asyncio.gather(*(put(door, f"k{turn}") for door in doors))
        assert Counter(answer.sort for answer in answers) == {Sort.CREATED: 1, Sort.JOINED: 7}
        assert len({answer.task for answer in answers}) == 1
        assert sorted(answer.joined for answer in answers) == list(range(8))


async def test_eight_connections_at_once_make_one_follow_up(doors: list[PostgresStore]) -> None:
    node = await node_of(doors[0])
    await put(doors[0])
    [claimed] = await claim(doors[0], node)
    answers = await asyncio.gather(*(put(door) for door in doors))
    assert len({answer.task for answer in answers} - {claimed.id}) == 1
    assert Counter(answer.sort for answer in answers) == {Sort.CREATED: 1, Sort.JOINED: 7}


async def test_batches_of_many_keys_in_any_order_do_not_tie_each_other_up(
    doors: list[PostgresStore], deadlocks: Any
) -> None:
    keys = [f"k{n}" for n in range(30)]
    batches = [random.Random(seed).sample(keys, len(keys)) for seed in range(len(doors) * 3)]
    answers = await asyncio.gather(
        *(
            door.queue.enqueue([keyed(n, key, request_id=UUID(int=place * 100 + n)) for n, key in enumerate(batch)])
            for place, (door, batch) in enumerate(zip(doors * 3, batches, strict=True))
        )
    )
    assert len({receipt.task for batch in answers for receipt in batch}) == len(keys)
    assert deadlocks() == 0


@pytest.mark.parametrize("changes", [{"coalesce_key": "k"}, {"after": (1,)}], ids=["keyed", "dependent"])
async def test_one_request_id_at_once_is_one_task_whatever_it_waits_for(
    doors: list[PostgresStore], changes: dict[str, Any]
) -> None:
    await stored(doors[0])
    for turn in range(10):
        request = new_task(request_id=UUID(int=turn), body_hash=b"1" * 16, **changes)
        answers = [receipt for [receipt] in await asyncio.gather(*(door.queue.enqueue([request]) for door in doors))]
        assert len({answer.task for answer in answers}) == 1
        assert [answer.sort for answer in answers].count(Sort.REPEATED) == 7


async def test_request_ids_of_dependents_in_any_order_do_not_tie_each_other_up(
    doors: list[PostgresStore], deadlocks: Any
) -> None:
    [other] = await stored(doors[0])
    requests = [new_task(request_id=UUID(int=n), body_hash=b"1" * 16, after=(other,)) for n in range(30)]
    batches = [random.Random(seed).sample(requests, len(requests)) for seed in range(len(doors) * 2)]
    answers = await asyncio.gather(*(door.queue.enqueue(batch) for door, batch in zip(doors * 2, batches, strict=True)))
    assert len({receipt.task for batch in answers for receipt in batch}) == len(requests)
    assert deadlocks() == 0


async def test_a_follow_up_that_comes_while_its_twin_ends_is_let_go(doors: list[PostgresStore]) -> None:
    first, second = doors[:2]
    node = await node_of(first)
    for turn in range(40):
        twin = await put(first, f"k{turn}")
        [claimed] = await claim(first, node)
        assert claimed.id == twin.task
        _, receipt = await asyncio.gather(end(first, node, claimed), put(second, f"k{turn}"))
        assert await taken(first, node) == [receipt.task], f"turn {turn}: nobody woke it"


async def test_two_dependencies_that_end_at_the_same_instant_let_go_what_waits_for_both(
    doors: list[PostgresStore],
) -> None:
    nodes = [(door, await node_of(door)) for door in doors[:2]]
    (first, node), (second, neighbour) = nodes
    for turn in range(40):
        others = await stored(first, 2)
        [receipt] = await first.queue.enqueue([new_task(after=tuple(others))])
        [one] = await claim(first, node, 1)
        [other] = await claim(second, neighbour, 1)
        assert {one.id, other.id} == set(others)
        await asyncio.gather(end(first, node, one), end(second, neighbour, other))
        [got] = await claim(first, node)
        assert got.id == receipt.task, f"turn {turn}: nobody woke it"
        await first.queue.finish(node, [ended(got)])


async def test_eight_claimers_never_run_more_of_a_key_than_its_limit(doors: list[PostgresStore]) -> None:
    limits = {"a": 1, "b": 3}
    for key, limit in limits.items():
        await stored(doors[0], 60, slot_key=key, slot_limit=limit)
    running: Counter[str] = Counter()
    most: Counter[str] = Counter()
    done = 0

    async def work(door: PostgresStore) -> None:
        nonlocal done
        node, idle = await node_of(door), 0
        while done < 120 and idle < 200:
            claimed = await claim(door, node, 2)
            idle = 0 if claimed else idle + 1
            for one in claimed:
                assert one.slot_key is not None
                running[one.slot_key] += 1
                most[one.slot_key] = max(most[one.slot_key], running[one.slot_key])
            await asyncio.sleep(0)
            for one in claimed:
                assert one.slot_key is not None
                # Ours before theirs: the slot is free for others as soon as the end is stored.
                running[one.slot_key] -= 1
            done += len(claimed)
            await end(door, node, *claimed)

    await asyncio.wait_for(asyncio.gather(*map(work, doors)), 60)
    assert done == 120, "somebody was not woken"
    assert most == limits


async def test_a_join_that_is_not_committed_yet_holds_up_only_its_own_key(
    dsn: str, store: PostgresStore, deadlocks: Any
) -> None:
    node = await node_of(store)
    first = await put(store, "held")
    await put(store, "running")
    [other, running] = sorted(await claim(store, node), key=lambda one: one.id)
    assert other.id == first.task
    again = await put(store, "held")
    async with await psycopg.AsyncConnection.connect(dsn) as stranger:
        # As `windlass.put` in a caller's own transaction does: the key, then the row where its task waits.
        await stranger.execute("select from windlass.coalesce_key where key = 'held' for update")
        await stranger.execute("select windlass.lift(%s, 9::smallint, now())", (again.task,))
        async with asyncio.timeout(WITHIN):
            [alone] = await stored(store)
            assert await taken(store, node) == [alone]
            fresh = await put(store, "fresh")
            assert await taken(store, node) == [fresh.task]
            await end(store, node, running)
            await end(store, node, other)
            assert (await put(store, "running")).sort is Sort.CREATED
            await store.queue.release()
        joining = asyncio.create_task(put(store, "held"))
        await stranger.commit()
    assert await asyncio.wait_for(joining, WITHIN) == Receipt(again.task, Sort.JOINED, State.PENDING, 1)
    await store.queue.release()
    assert again.task in await taken(store, node)


async def test_a_task_that_a_claim_passed_over_while_somebody_joined_is_seen_by_the_next(
    dsn: str, store: PostgresStore
) -> None:
    node = await node_of(store)
    first = await put(store)
    later = await stored(store, 3)
    async with await psycopg.AsyncConnection.connect(dsn) as stranger:
        await stranger.execute("select windlass.lift(%s, 1::smallint, now())", (first.task,))
        assert await taken(store, node) == later, "the claims are past its place now"
        await stranger.commit()
    assert await taken(store, node) == [first.task]


CLAIMS = """
    with moved as (delete from windlass.ready where id = %s returning *)
    insert into windlass.running (id, kind, pool, priority, next_try_at, attempt, uncounted, origin, coalesce_key,
                                  slot_key, slot_limit, slot, node)
    select id, kind, pool, priority, next_try_at, 1, 0, origin, coalesce_key, slot_key, slot_limit,
           case when slot_key is not null then 1 end, %s
    from moved
"""


async def somebody_waits(dsn: str) -> None:
    """Until a statement waits for another transaction."""

    async def waits() -> bool:
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as watcher:
            cursor = await watcher.execute("select from pg_stat_activity where wait_event_type = 'Lock'")
            return bool(await cursor.fetchall())

    await eventually(waits)


async def test_who_comes_while_a_claim_is_on_its_way_does_not_join_what_is_taken(
    dsn: str, store: PostgresStore
) -> None:
    node = await node_of(store)
    first = await put(store)
    async with await psycopg.AsyncConnection.connect(dsn) as claimer:
        await claimer.execute(CLAIMS, (first.task, node))
        joining = asyncio.create_task(put(store))
        await somebody_waits(dsn)
        await claimer.commit()
    receipt = await asyncio.wait_for(joining, WITHIN)
    assert (receipt.sort, receipt.task != first.task) == (Sort.CREATED, True)
    assert await store.queue.joined([first.task]) == {}


async def test_a_claim_that_lost_its_slot_to_another_takes_the_next_free_one(dsn: str, store: PostgresStore) -> None:
    node = await node_of(store)
    first, second = await stored(store, 2, slot_key="s", slot_limit=2)
    async with await psycopg.AsyncConnection.connect(dsn) as claimer:
        await claimer.execute(CLAIMS, (first, node))
        claiming = asyncio.create_task(taken(store, node))
        await somebody_waits(dsn)
        await claimer.commit()
    assert await asyncio.wait_for(claiming, WITHIN) == [second]


async def test_an_interrupt_and_a_new_priority_wait_for_who_joins_at_this_instant(
    dsn: str, store: PostgresStore
) -> None:
    first, second = await put(store, "a"), await put(store, "b")
    async with await psycopg.AsyncConnection.connect(dsn) as stranger:
        for receipt in (first, second):
            await stranger.execute("select windlass.lift(%s, 1::smallint, now())", (receipt.task,))
        asking = asyncio.gather(
            store.queue.interrupt(Asked(first.task, "eve", "")), store.queue.reprioritize(second.task, 9)
        )
        for _ in range(400):
            await stranger.execute("select 1")
        await stranger.commit()
    interrupted, state = await asyncio.wait_for(asking, WITHIN)
    assert (interrupted.state, state) == (State.CANCELED, State.PENDING)


async def test_what_came_due_between_a_release_and_its_snapshot_needs_nobody_else(
    dsn: str, store: PostgresStore
) -> None:
    node = await node_of(store)
    await stored(store, 2, slot_key="s", slot_limit=1)
    [first] = await claim(store, node, 2)
    async with await psycopg.AsyncConnection.connect(dsn) as stranger:
        await store.queue.finish(node, [ended(first)])
        await stranger.execute("lock table windlass.running in access exclusive mode")
        releasing = asyncio.create_task(store.queue.release())
        await somebody_waits(dsn)
        # As one who stored it at this instant: later than the release began, and before it looks.
        await stranger.execute("update windlass.blocked set next_try_at = clock_timestamp()")
        await stranger.commit()
    assert await asyncio.wait_for(releasing, WITHIN) == 1
    assert len(await taken(store, node)) == 1


async def test_a_mixed_load_of_everything_ends_without_a_deadlock(doors: list[PostgresStore], deadlocks: Any) -> None:
    busy = CONNECTIONS - 3
    known: list[int] = []

    async def ask(door: PostgresStore, seed: int) -> None:
        nonlocal busy
        chance = random.Random(seed)
        for _ in range(25):
            batch = [_anything(chance, known) for _ in range(chance.randint(1, 8))]
            known.extend(receipt.task for receipt in await door.queue.enqueue(batch))
            victims = chance.sample(known, min(len(known), 3))
            for task in victims[:2]:
                with suppress(TaskOver):
                    await door.queue.interrupt(Asked(task, "eve", ""))
            with suppress(TaskOver, TaskNotFound):
                await door.queue.reprioritize(victims[-1], chance.randint(0, 9))
            await door.queue.release()
        busy -= 1

    async def work(door: PostgresStore, seed: int) -> None:
        node, chance, idle = await node_of(door), random.Random(seed), 0
        while busy or idle < 5:
            claimed = await claim(door, node, 6)
            idle = 0 if claimed else idle + 1
            chance.shuffle(claimed)
            verdicts = [
                chance.choice([Verdict.SUCCESS, Verdict.SUCCESS, Verdict.FAILED, Verdict.RETRY]) for _ in claimed
            ]
            ends = [ended(one, verdict) for one, verdict in zip(claimed, verdicts, strict=True)]
            await door.queue.finish(node, ends)
            await door.queue.release()

    workers = [work(door, seed) for seed, door in enumerate(doors[:3])]
    await asyncio.wait_for(asyncio.gather(*workers, *(ask(door, seed) for seed, door in enumerate(doors[3:]))), 60)
    assert deadlocks() == 0
    left = [one.id for one in (await doors[0].library.active(100, None)).items]
    assert left == [], f"these wait for ever: {left}"


def _anything(chance: random.Random, known: list[int]) -> NewTask:
    gates: dict[str, Any] = {}
    if chance.random() < 0.5:
        gates["coalesce_key"] = f"k{chance.randint(0, 4)}"
    if chance.random() < 0.4:
        gates |= {"slot_key": f"s{chance.randint(0, 2)}", "slot_limit": 2}
    if known and chance.random() < 0.3:
        gates["after"] = tuple(sorted({chance.choice(known) for _ in range(2)}))
        gates["after_success"] = chance.random() < 0.5
    return new_task(priority=chance.randint(0, 9), **gates)
