"""What the database refuses is the caller's mistake; a database that is away is told from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from windlass.core.lifecycle import Verdict
from windlass.core.sequence import sequence
from windlass.errors import BootError, InvalidArgument, StoreUnavailable, TaskNotFound
from windlass.store.facts import Line, Progress
from windlass.store.port import Store
from windlass.store.postgres import open_store

from tests.contract.facts import LEASE, ask, claim, ended, facts_of, held, new_task, node_of, said, state_of, stored
from tests.waiting import eventually

STEP = 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"title": "a\0b"},
        {"kind": "\0"},
        {"pool": "\0"},
        {"trigger": "\0"},
        {"initiator": "\0"},
        {"labels": '{"a": "\\u0000"}'},
        {"labels": "{"},
        {"payload": '"\\u0000"'},
        {"payload": '"\\ud800"'},
        {"payload": "nonsense"},
        {"payload": ""},
        {"payload": "1e999999999"},
        {"priority": 40_000},
        {"attempt_limit": 40_000},
        {"delay": 1e300},
    ],
)
async def test_a_task_that_can_not_be_stored_is_refused_and_its_batch_with_it(
    store: Store, wrong: dict[str, Any]
) -> None:
    with pytest.raises(InvalidArgument, match="the database refuses a value"):
        await store.queue.enqueue([new_task(), new_task(**wrong), new_task()])
    assert (await store.library.active(10, None)).items == ()
    assert len(await stored(store, 3)) == 3


async def test_a_result_that_can_not_be_stored_is_refused_and_the_task_still_runs(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    for wrong in ({"result": '"\\u0000"'}, {"message": "\0"}, {"pause": 1e300, "verdict": Verdict.RETRY}):
        with pytest.raises(InvalidArgument):
            await store.queue.finish(node, [ended(claimed, **wrong)])
    assert await store.queue.finish(node, [ended(claimed)])


async def test_words_that_can_not_be_stored_are_refused_and_leave_no_trace(store: Store) -> None:
    node = await node_of(store)
    claimed = await held(store, node)
    for wrong in (
        {"stage": "\0"},
        {"lines": (Line(sequence(1, 1), 0.0, STEP, "\0"),)},
        {"lines": (Line(sequence(1, 1), 0.0, STEP, "", '"\\u0000"'),)},
        {"progress": Progress(sequence(1, 1), 0.0, 2**70, None)},
    ):
        with pytest.raises(InvalidArgument):
            await store.queue.say(node, [said(claimed, **wrong)])
    assert (await facts_of(store, claimed.id)).started_at is None


async def test_an_interrupt_that_can_not_be_stored_is_refused(store: Store) -> None:
    [task] = await stored(store)
    with pytest.raises(InvalidArgument):
        await ask(store, task, "eve", "\0")
    assert (await state_of(store, task)).name == "PENDING"


async def test_an_id_that_no_task_can_have_is_not_found(store: Store) -> None:
    with pytest.raises(TaskNotFound):
        await ask(store, 2**70)
    assert await store.library.task(2**70) is None


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable, match="the database does not answer"):
        await open_store("host=127.0.0.1 port=1 user=windlass dbname=windlass connect_timeout=2")


async def test_a_database_that_is_not_there_is_unavailable(postgres: str) -> None:
    with pytest.raises(StoreUnavailable, match="no_such_database"):
        await open_store(f"{postgres} dbname=no_such_database")


@pytest.mark.parametrize("nonsense", ["nonsense", "hots=localhost", "postgresql://[::1"])
async def test_a_dsn_that_is_none_is_a_mistake_in_the_configuration(nonsense: str) -> None:
    with pytest.raises(BootError, match=r"store\.dsn"):
        await open_store(nonsense)


async def test_after_its_connections_were_cut_a_store_works_again_by_itself(
    store: Store, cut: Callable[[], int]
) -> None:
    [task] = await stored(store)
    assert cut() > 0
    node = 0

    async def joined() -> bool:
        nonlocal node
        try:
            node = await node_of(store)
        except StoreUnavailable:
            return False
        return True

    await eventually(joined)
    assert [claimed.id for claimed in await claim(store, node)] == [task]


async def test_a_heartbeat_whose_connection_was_cut_beats_again(store: Store, cut: Callable[[], int]) -> None:
    node = await node_of(store)
    assert await asyncio.to_thread(store.cluster.renew, node, LEASE)
    cut()
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(store.cluster.renew, node, LEASE)
    assert await asyncio.to_thread(store.cluster.renew, node, LEASE)


async def test_every_call_to_a_closed_store_says_that_it_is_unavailable(dsn: str) -> None:
    store = await open_store(dsn, connections=2)
    node = await node_of(store)
    claimed = await held(store, node)
    await store.close()
    calls = [
        lambda: stored(store),
        lambda: claim(store, node),
        lambda: store.queue.finish(node, [ended(claimed)]),
        lambda: store.queue.say(node, [said(claimed)]),
        lambda: ask(store, claimed.id),
        lambda: store.cluster.beat(node, LEASE),
        store.cluster.recover,
        lambda: store.library.task(claimed.id),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable):
            await call()


async def test_a_cut_in_the_middle_of_many_calls_loses_no_acknowledged_task(
    store: Store, cut: Callable[[], int]
) -> None:
    acknowledged: list[int] = []
    refused = 0

    async def submit() -> None:
        nonlocal refused
        for _ in range(20):
            try:
                acknowledged.extend(receipt.task for receipt in await store.queue.enqueue([new_task()]))
            except StoreUnavailable:
                refused += 1

    def came(enough: int) -> bool:
        return len(acknowledged) + refused >= enough

    async def cut_twice() -> None:
        for enough in (20, 60):
            await eventually(partial(came, enough))
            await asyncio.to_thread(cut)

    await asyncio.gather(cut_twice(), *(submit() for _ in range(10)))
    found = {facts.id for facts in (await store.library.active(1_000, None)).items}
    assert set(acknowledged) <= found
    assert len(acknowledged) + refused == 200
    assert refused > 0, "the cut came too early or too late to show anything"
