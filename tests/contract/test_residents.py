"""The Residents contract: of each, exactly one task is kept alive."""

from __future__ import annotations

import asyncio

from windlass.core.lifecycle import Verdict
from windlass.store.facts import Membership, Receipt
from windlass.store.port import Store
from windlass.store.residents import ResidentTask

from tests.contract.facts import LEASE, ask, claim, ended, expire, leader, new_task, node_of, recovered, said


def resident(key: str = "") -> ResidentTask:
    return ResidentTask(key, new_task(trigger="resident", title=key))


def tasks(receipts: list[Receipt]) -> list[int]:
    return [receipt.task for receipt in receipts]


async def test_a_resident_gets_one_task_and_no_other_while_that_lives(store: Store, other: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    both = [resident("a"), resident("b")]
    made = tasks(await store.residents.keep(membership, both))
    assert len(set(made)) == 2
    assert await store.residents.keep(membership, both) == [], "ready"
    claimed = await claim(store, node)
    assert sorted(one.title for one in claimed) == ["a", "b"]
    assert await other.residents.keep(membership, both) == [], "running"
    await store.queue.finish(node, [ended(one, Verdict.RETRY, pause=3600.0) for one in claimed])
    assert await other.residents.keep(membership, both) == [], "deferred"
    assert await store.residents.keep(membership, []) == []


async def test_however_its_task_ends_a_resident_comes_back(store: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    seen = tasks(await store.residents.keep(membership, [resident()]))
    for verdict in (Verdict.SUCCESS, Verdict.FAILED, Verdict.CANCELED):
        [claimed] = await claim(store, node)
        await store.queue.finish(node, [ended(claimed, verdict)])
        seen += tasks(await store.residents.keep(membership, [resident()]))
    await ask(store, seen[-1])
    seen += tasks(await store.residents.keep(membership, [resident()]))
    assert len(set(seen)) == 5


async def test_a_resident_whose_node_is_lost_is_the_same_task_again(store: Store) -> None:
    lost, node = await node_of(store), await node_of(store, pid=2)
    membership = await leader(store, node)
    [task] = tasks(await store.residents.keep(membership, [resident()]))
    [claimed] = await claim(store, lost)
    await store.queue.say(lost, [said(claimed)])
    expire(store, lost)
    assert await store.residents.keep(membership, [resident()]) == []
    await recovered(store, 1)
    assert await store.residents.keep(membership, [resident()]) == []
    assert [one.id for one in await claim(store, node)] == [task]


async def test_residents_of_one_key_and_two_kinds_are_two(store: Store) -> None:
    membership = await leader(store, await node_of(store))
    kinds = [ResidentTask("a", new_task(kind=kind)) for kind in ("Noop", "Other")]
    assert len(await store.residents.keep(membership, kinds)) == 2


async def test_a_node_that_does_not_lead_and_a_term_that_is_over_keep_nothing(store: Store) -> None:
    old, new = await node_of(store), await node_of(store, pid=2)
    was = await leader(store, old)
    expire(store, old)
    leads = await leader(store, new)
    for pretender in (was, Membership(new, leads.term + 1), Membership(old, leads.term), Membership(new, was.term)):
        assert await store.residents.keep(pretender, [resident()]) == []
    assert await claim(store, new) == []
    assert len(await store.residents.keep(leads, [resident()])) == 1


async def test_leaders_that_race_keep_one_task_each(store: Store, other: Store) -> None:
    """Also when each of them leads in turn, and residents end all the time."""
    doors = [(store, await node_of(store)), (other, await node_of(other, pid=2))]
    keys = ["a", "b", "c"]
    made: list[int] = []
    over: set[int] = set()

    async def lead_and_keep(door: Store, node: int) -> None:
        for turn in range(12):
            beat = await door.cluster.beat(node, LEASE if turn % 3 else 0.0)
            if beat.term is not None:
                wanted = [resident(key) for key in (keys if turn % 2 else reversed(keys))]
                made.extend(tasks(await door.residents.keep(Membership(node, beat.term), wanted)))
            await door.cluster.beat(node, 0.0)
            mine = await claim(door, node)
            assert len({claimed.title for claimed in mine}) == len(mine), "two live tasks of one resident"
            for claimed in mine:
                await door.queue.finish(node, [ended(claimed)])
                over.add(claimed.id)

    await asyncio.gather(*(lead_and_keep(*door) for door in doors * 2))
    for door, node in doors:
        for claimed in await claim(door, node):
            over.add(claimed.id)
    assert len(over) > len(keys) * 2, "void: hardly any came back"
    assert over == set(made), "a task was stored that nobody was told of"


async def test_the_first_of_a_resident_is_made_once_by_however_many_ask(store: Store, other: Store) -> None:
    node = await node_of(store)
    membership = await leader(store, node)
    asked = [resident("b"), resident("a")]
    answers = await asyncio.gather(
        *(door.residents.keep(membership, wanted) for door in (store, other) * 5 for wanted in (asked, asked[::-1]))
    )
    assert sorted(map(len, answers)) == [0] * 19 + [2]
    assert sorted(claimed.title for claimed in await claim(store, node)) == ["a", "b"]
