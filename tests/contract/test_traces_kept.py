"""The Queue contract: a task keeps the trace that it was asked for in."""

from __future__ import annotations

import pytest
from windlass.store.facts import Parent
from windlass.store.port import Store

from tests.contract.facts import claim, facts_of, new_task, node_of, put

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01 vendor=a b"


@pytest.mark.parametrize("changes", [{}, {"slot_key": "s", "slot_limit": 2}, {"coalesce_key": "k"}, {"delay": 3600.0}])
async def test_a_task_keeps_its_trace_whatever_way_it_comes_in(
    store: Store, other: Store, changes: dict[str, object]
) -> None:
    traced, plain = [new_task(trace=trace, **changes) for trace in (TRACE, None)]
    [first] = await store.queue.enqueue_each([traced])
    changes = changes | {"coalesce_key": "another"} if "coalesce_key" in changes else changes
    [second, third] = await store.queue.enqueue([new_task(**changes), new_task(kind="Other", trace=TRACE)])
    assert plain.trace is None
    ids = [receipt.task for receipt in (first, second, third)]  # type: ignore[union-attr]
    assert [(await facts_of(other, task)).trace for task in ids] == [TRACE, None, TRACE]
    listed = {facts.id: facts.trace for facts in (await other.library.active(10, None)).items}
    assert [listed[task] for task in ids] == [TRACE, None, TRACE]


async def test_a_claim_brings_the_trace_and_a_lost_answer_brings_it_again(store: Store, other: Store) -> None:
    node = await node_of(store)
    await store.queue.enqueue([new_task(trace=TRACE), new_task()])
    claimed = await claim(store, node)
    assert [one.trace for one in claimed] == [TRACE, None]
    again = sorted(await other.queue.reclaim(node, "default", []), key=lambda one: one.id)
    assert [one.trace for one in again] == [TRACE, None]


async def test_children_have_the_trace_they_are_given(store: Store) -> None:
    node = await node_of(store)
    await store.queue.enqueue([new_task()])
    [mother] = await claim(store, node)
    child = new_task(parent=mother.id, trace=TRACE)
    [made] = await store.queue.enqueue_children(Parent(mother.id, mother.attempt, node), [child])
    assert (await facts_of(store, made.task)).trace == TRACE


async def test_a_request_that_joins_leaves_the_task_in_its_own_trace(store: Store) -> None:
    first = await put(store, trace=TRACE)
    assert (await put(store, trace=TRACE.replace("4b", "5b"))).task == first.task
    assert (await facts_of(store, first.task)).trace == TRACE


async def test_what_is_asked_again_does_not_ask_for_the_old_trace(store: Store) -> None:
    [receipt] = await store.queue.enqueue([new_task(trace=TRACE)])
    request = await store.library.request(receipt.task)
    assert request is not None
    assert request.trace is None


async def test_a_store_that_is_there_answers(store: Store) -> None:
    await store.ping()
    facts = store.connections()
    assert facts is None or (facts.used == 0 and 0 <= facts.idle <= facts.most)
