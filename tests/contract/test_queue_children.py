"""The Queue contract: children, which only an attempt that runs can make."""

from __future__ import annotations

from uuid import uuid4

import pytest
from windlass.core.lifecycle import State, Verdict
from windlass.errors import AttemptSuperseded, RequestIdReused, TaskInterrupted, TaskNotFound
from windlass.store.facts import Claimed, NewTask, Parent, Sort
from windlass.store.port import Store

from tests.contract.facts import ask, claim, ended, expire, facts_of, held, new_task, node_of, recovered


def parent(claimed: Claimed, node: int) -> Parent:
    return Parent(claimed.id, claimed.attempt, node)


def child_of(claimed: Claimed, **changes: object) -> NewTask:
    return new_task(parent=claimed.id, trigger="parent", **changes)


async def test_a_running_attempt_makes_children_that_name_it(store: Store, other: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    made = await store.queue.enqueue_children(parent(mother, node), [child_of(mother), child_of(mother)])
    assert [receipt.sort for receipt in made] == [Sort.CREATED] * 2
    assert await other.library.children(mother.id, 10) == [receipt.task for receipt in made]
    facts = await facts_of(other, made[0].task)
    assert (facts.parent, facts.trigger, facts.state) == (mother.id, "parent", State.PENDING)


async def test_an_attempt_that_does_not_run_makes_none(store: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    for ghost in (
        Parent(mother.id, mother.attempt - 1, node),
        Parent(mother.id, mother.attempt + 1, node),
        Parent(mother.id, mother.attempt, node + 1),
        Parent(mother.id + 1, mother.attempt, node),
    ):
        with pytest.raises(AttemptSuperseded):
            await store.queue.enqueue_children(ghost, [child_of(mother)])
    assert await store.library.children(mother.id, 10) == []
    assert await claim(store, node) == [], "a refused child was stored"


async def test_an_attempt_that_was_taken_back_makes_none_and_the_next_one_does(store: Store) -> None:
    dead, node = await node_of(store), await node_of(store, pid=2)
    lost = await held(store, dead)
    expire(store, dead)
    await recovered(store, 1)
    [again] = await claim(store, node)
    with pytest.raises(AttemptSuperseded):
        await store.queue.enqueue_children(parent(lost, dead), [child_of(lost)])
    [made] = await store.queue.enqueue_children(parent(again, node), [child_of(again)])
    assert await store.library.children(again.id, 10) == [made.task]


async def test_an_attempt_that_has_ended_makes_none(store: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    await store.queue.finish(node, [ended(mother)])
    with pytest.raises(AttemptSuperseded):
        await store.queue.enqueue_children(parent(mother, node), [child_of(mother)])


async def test_a_task_that_is_being_interrupted_makes_none(store: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    await ask(store, mother.id)
    with pytest.raises(TaskInterrupted):
        await store.queue.enqueue_children(parent(mother, node), [child_of(mother)])
    assert await store.library.children(mother.id, 10) == []


async def test_a_refused_child_leaves_no_request_id_behind(store: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    named = child_of(mother, request_id=uuid4(), body_hash=b"one")
    with pytest.raises(AttemptSuperseded):
        await store.queue.enqueue_children(Parent(mother.id, 7, node), [named])
    [made] = await store.queue.enqueue_children(parent(mother, node), [named])
    assert made.sort is Sort.CREATED


async def test_the_same_request_by_a_later_attempt_is_the_same_child(store: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    named = child_of(mother, request_id=uuid4(), body_hash=b"one")
    [first] = await store.queue.enqueue_children(parent(mother, node), [named])
    await store.queue.finish(node, [ended(mother, Verdict.RETRY)])
    claimed = {one.id: one for one in await claim(store, node)}
    [second] = await store.queue.enqueue_children(parent(claimed[mother.id], node), [named])
    assert (second.task, second.sort) == (first.task, Sort.REPEATED)
    other_body = child_of(mother, request_id=named.request_id, body_hash=b"two")
    with pytest.raises(RequestIdReused):
        await store.queue.enqueue_children(parent(claimed[mother.id], node), [other_body])


async def test_children_wait_for_each_other_and_join_as_any_task_does(store: Store) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    me = parent(mother, node)
    [first] = await store.queue.enqueue_children(me, [child_of(mother, coalesce_key="one")])
    [second] = await store.queue.enqueue_children(me, [child_of(mother, coalesce_key="one")])
    assert (second.task, second.sort) == (first.task, Sort.JOINED)
    [after] = await store.queue.enqueue_children(me, [child_of(mother, after=(first.task,))])
    assert [one.id for one in await claim(store, node)] == [first.task]
    with pytest.raises(TaskNotFound):
        await store.queue.enqueue_children(me, [child_of(mother, after=(after.task + 1_000,))])
