"""The failpoints of statements stand where they say: what has committed stays, what has not is undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from windlass.errors import StoreUnavailable
from windlass.store.port import Store
from windlass.store.postgres import faulty
from windlass.store.postgres.statements import sql

from tests.contract.facts import ask, claim, ended, held, new_task, node_of, state_of, stored

Arm = Callable[[dict[str, Any], str], list[dict[str, Any]]]


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> Arm:
    """Arms the place of one statement to lose its next answer; gives the facts of each hit."""

    def armed(when: dict[str, Any], statement: str) -> list[dict[str, Any]]:
        hits: list[dict[str, Any]] = []

        def lose(**facts: Any) -> None:
            hits.append(facts)
            if len(hits) == 1:
                raise StoreUnavailable("lost by the test")

        monkeypatch.setattr(faulty, "ARMED", True)
        monkeypatch.setitem(when, statement, lose)
        return hits

    return armed


async def waiting(store: Store) -> int:
    return len((await store.library.active(1_000, None)).items)


@pytest.mark.parametrize("statement", faulty.STATEMENTS)
def test_every_statement_with_failpoints_exists(statement: str) -> None:
    assert sql(statement)


@pytest.mark.parametrize(("when", "kept"), [("UNSENT", 0), ("UNCOMMITTED", 0), ("COMMITTED", 3)])
async def test_an_enqueue_that_fails_has_stored_its_tasks_only_after_the_commit(
    store: Store, arm: Arm, when: str, kept: int
) -> None:
    tasks = [new_task() for _ in range(3)]
    for enqueue in (store.queue.enqueue, store.queue.enqueue_each):
        before = await waiting(store)
        arm(getattr(faulty, when), "enqueue_tasks")
        with pytest.raises(StoreUnavailable):
            await enqueue(tasks)
        assert await waiting(store) == before + kept
        await enqueue(tasks)
        assert await waiting(store) == before + kept + 3


@pytest.mark.parametrize(("when", "claimed"), [("UNSENT", 0), ("UNCOMMITTED", 0), ("COMMITTED", 1)])
async def test_a_claim_that_fails_holds_its_task_only_after_the_commit(
    store: Store, arm: Arm, when: str, claimed: int
) -> None:
    node = await node_of(store)
    await stored(store)
    arm(getattr(faulty, when), "claim_tasks")
    with pytest.raises(StoreUnavailable):
        await claim(store, node)
    assert len(await store.queue.reclaim(node, "default", [])) == claimed


@pytest.mark.parametrize(
    ("when", "state"), [("UNSENT", "PENDING"), ("UNCOMMITTED", "PENDING"), ("COMMITTED", "COMPLETED")]
)
async def test_a_finish_that_fails_has_ended_its_task_only_after_the_commit(
    store: Store, arm: Arm, when: str, state: str
) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    hits = arm(getattr(faulty, when), "finish_tasks")
    with pytest.raises(StoreUnavailable):
        await store.queue.finish(node, [ended(claimed)])
    assert (await state_of(store, claimed.id)).name == state
    settled = await store.queue.finish(node, [ended(claimed)])
    assert len(settled) == (state != "COMPLETED")
    assert hits[-1]["tasks"] == f"{{{claimed.id}}}"


async def test_the_log_of_a_finish_says_which_of_its_tasks_were_taken(store: Store, arm: Arm) -> None:
    node = await node_of(store)
    claimed = [await held(store, node) for _ in range(2)]
    hits = arm(faulty.COMMITTED, "finish_tasks")
    hits.append({})  # nothing is lost
    await store.queue.finish(node, [ended(claimed[0])])
    await store.queue.finish(node, [ended(one) for one in claimed])
    assert [hit["accepted"] for hit in hits[1:]] == [[claimed[0].id], [claimed[1].id]]


async def test_an_interrupt_whose_flag_stands_is_known_although_its_answer_was_lost(store: Store, arm: Arm) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    arm(faulty.COMMITTED, "flag_interrupt")
    with pytest.raises(StoreUnavailable):
        await ask(store, claimed.id)
    assert [asked.task for asked in await store.queue.interrupts(node)] == [claimed.id]


async def test_a_recovery_that_fails_after_its_select_has_taken_nothing(store: Store, arm: Arm) -> None:
    node = await node_of(store)
    await held(store, node)
    await store.cluster.leave(node)
    arm(faulty.UNCOMMITTED, "recover_tasks")
    with pytest.raises(StoreUnavailable):
        await store.cluster.recover()
    assert await store.cluster.recover() == 1
