"""Hints over LISTEN and NOTIFY: what others said, and an empty word after each connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

import psycopg
import pytest
from windlass.core.lifecycle import State
from windlass.store.port import Store
from windlass.store.postgres import open_store

from tests.contract.facts import ask, leader, new_task, next_due, node_of, running, stored
from tests.waiting import eventually

SECONDS = 10.0


@pytest.fixture
async def other(dsn: str) -> AsyncIterator[Store]:
    """Another node's store on the same database."""
    opened = await open_store(dsn, connections=4)
    yield opened
    await opened.close()


class Ear:
    """What a store hears, gathered in the background."""

    def __init__(self, store: Store) -> None:
        self.words: list[str] = []
        self._listening = asyncio.create_task(self._listen(store))

    async def _listen(self, store: Store) -> None:
        async with aclosing(store.hints()) as words:  # type: ignore[type-var]
            async for word in words:
                self.words.append(word)

    async def hears(self, *words: str) -> None:
        """These and no others come; they are forgotten afterwards."""
        await eventually(lambda: len(self.words) >= len(words), SECONDS)
        assert self.words == list(words)
        self.words.clear()

    async def close(self) -> None:
        self._listening.cancel()
        await asyncio.gather(self._listening, return_exceptions=True)


@pytest.fixture
async def ear(store: Store) -> AsyncIterator[Ear]:
    made = Ear(store)
    await made.hears("")
    yield made
    await made.close()


async def test_a_connection_begins_with_an_empty_word(ear: Ear) -> None:
    assert ear.words == []


async def test_a_task_that_another_node_stored_is_hinted_at(ear: Ear, other: Store) -> None:
    await stored(other)
    await ear.hears("ready/default")


async def test_tasks_of_several_pools_are_one_hint_for_all(ear: Ear, other: Store) -> None:
    await other.queue.enqueue([new_task(), new_task(pool="feeds")])
    await ear.hears("ready")
    await stored(other, pool="two words")
    await ear.hears("ready")


async def test_a_task_that_will_be_due_is_hinted_at(ear: Ear, other: Store) -> None:
    await stored(other, delay=3600.0)
    await ear.hears("later")


async def test_a_batch_is_one_hint(ear: Ear, other: Store) -> None:
    await other.queue.enqueue([new_task() for _ in range(500)])
    await ear.hears("ready/default")
    await other.queue.enqueue_each([new_task() for _ in range(500)])
    await ear.hears("ready/default")


async def test_an_interrupt_of_a_running_task_is_hinted_at(ear: Ear, store: Store, other: Store) -> None:
    node = await node_of(store)
    claimed = await running(store, node)
    assert await ask(other, claimed.id) is State.CANCELLING
    await ear.hears("interrupt")


async def test_what_another_leader_promoted_is_hinted_at(ear: Ear, other: Store) -> None:
    membership = await leader(other, await node_of(other))
    await stored(other, delay=0.001)
    await ear.hears("later")

    async def promoted() -> bool:
        return await next_due(other, membership, 10) is None and bool(ear.words)

    await eventually(promoted)
    await ear.hears("ready")


async def test_who_said_it_need_not_hear_it(ear: Ear, store: Store, other: Store) -> None:
    await stored(store)
    await stored(other)
    await ear.hears("ready/default")


async def test_what_was_not_committed_is_not_heard(ear: Ear, other: Store) -> None:
    with pytest.raises(Exception, match="the database refuses a value"):
        await stored(other, priority=100_000)
    await stored(other, delay=3600.0)
    await ear.hears("later")


async def test_after_a_lost_connection_the_empty_word_comes_again(
    ear: Ear, other: Store, cut: Callable[[], int]
) -> None:
    assert cut() > 0
    await ear.hears("")

    async def stored_again() -> bool:
        try:
            await stored(other)
        except Exception:  # noqa: BLE001 - its connections were cut as well
            return False
        return True

    await eventually(stored_again)
    await ear.hears("ready/default")


async def test_a_listener_that_stops_leaves_no_connection_behind(ear: Ear, dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:

        def listening() -> int:
            query = "select from pg_stat_activity where datname = current_database() and query = 'listen windlass'"
            return connection.execute(query).rowcount

        assert listening() == 1
        await ear.close()
        await eventually(lambda: listening() == 0)
