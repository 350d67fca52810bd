"""A task that keeps killing its worker is taken out, and only such a task."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from windlass.core.lifecycle import State
from windlass.store.facts import Progress, Said, TaskFacts
from windlass.store.port import Store

from tests.contract.facts import new_task, node_of


async def crash(
    store: Store, *, progress: bool = False, started: bool = True, limits: Mapping[str, int] | None = None
) -> None:
    """A node claims the one task there is, and dies."""
    node = await node_of(store)
    [claimed] = await store.queue.claim(node, "default", ["Noop"], 10)
    if started:
        told = Progress(claimed.attempt * 10_000_000 + 1, 0.0, 1, 2) if progress else None
        await store.queue.say(node, [Said(claimed.id, claimed.attempt, 0.1, progress=told)])
    assert await store.cluster.recover(node, limits) == 1


async def one_task(store: Store) -> int:
    return (await store.queue.enqueue([new_task(attempt_limit=100)]))[0].task


async def read(store: Store, task: int) -> TaskFacts:
    facts = await store.library.task(task)
    assert facts is not None
    return facts


async def test_three_crashes_in_a_row_are_poison(store: Store) -> None:
    task = await one_task(store)
    for _ in range(2):
        await crash(store)
        assert (await read(store, task)).state is State.PENDING
    await crash(store)
    facts = await read(store, task)
    assert facts.state is State.FAILED
    assert facts.message is not None
    assert facts.message.startswith("poison: its worker died 3 times")


async def test_progress_since_the_last_crash_starts_a_new_count(store: Store) -> None:
    task = await one_task(store)
    for progress in (False, False, True, False):
        await crash(store, progress=progress)
    assert (await read(store, task)).state is State.PENDING
    await crash(store)
    assert (await read(store, task)).state is State.FAILED


async def test_a_loss_before_the_start_neither_lengthens_nor_breaks_the_chain(store: Store) -> None:
    task = await one_task(store)
    for started in (True, True, False):
        await crash(store, started=started)
    assert (await read(store, task)).state is State.PENDING
    await crash(store)
    assert (await read(store, task)).state is State.FAILED


async def test_what_never_started_is_not_to_blame(store: Store) -> None:
    task = await one_task(store)
    for _ in range(5):
        await crash(store, started=False)
    facts = await read(store, task)
    assert (facts.state, facts.attempt - facts.uncounted) == (State.PENDING, 0)


@pytest.mark.parametrize(("limit", "crashes"), [(1, 1), (5, 5)])
async def test_a_kind_may_have_another_limit(store: Store, limit: int, crashes: int) -> None:
    task = await one_task(store)
    for _ in range(crashes - 1):
        await crash(store, limits={"Noop": limit})
    assert (await read(store, task)).state is State.PENDING
    await crash(store, limits={"Noop": limit})
    assert (await read(store, task)).state is State.FAILED


async def test_a_limit_of_0_never_takes_a_task_out(store: Store) -> None:
    task = await one_task(store)
    for _ in range(6):
        await crash(store, limits={"Noop": 0})
    assert (await read(store, task)).state is State.PENDING
