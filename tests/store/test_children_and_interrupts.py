"""Children on their way, and an interrupt of their parent: one waits for the other, so that none is overlooked."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import msgspec
import psycopg
import pytest
from windlass.core.lifecycle import Verdict
from windlass.store.facts import Asked, Parent
from windlass.store.postgres import PostgresStore
from windlass.store.postgres.statements import sql

from tests.contract.facts import ended, held, node_of, said
from tests.waiting import eventually

WAITING = "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"


@pytest.mark.parametrize("act", ["interrupt", "finish"])
async def test_who_interrupts_or_ends_the_parent_waits_for_children_that_are_on_their_way(
    dsn: str, store: PostgresStore, act: str
) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    acts: dict[str, Awaitable[object]] = {
        "interrupt": store.queue.interrupt(Asked(mother.id, "eve", "")),
        "finish": store.queue.finish(node, [ended(mother, Verdict.SUCCESS)]),
    }
    async with (
        await psycopg.AsyncConnection.connect(dsn) as making,
        await psycopg.AsyncConnection.connect(dsn, autocommit=True) as looking,
    ):
        await making.execute(sql("fence_attempt"), msgspec.structs.asdict(Parent(mother.id, mother.attempt, node)))
        acting = asyncio.ensure_future(acts.pop(act))

        async def waits_or_is_done() -> bool:
            return acting.done() or bool(await (await looking.execute(WAITING)).fetchall())

        await eventually(waits_or_is_done)
        assert not acting.done(), "children that commit now would be overlooked"
        await making.commit()
        await asyncio.wait_for(acting, 5)
    for other in acts.values():
        other.close()  # type: ignore[attr-defined]


async def test_children_on_their_way_do_not_wait_for_each_other(dsn: str, store: PostgresStore) -> None:
    node = await node_of(store)
    mother = await held(store, node)
    fence = (sql("fence_attempt"), msgspec.structs.asdict(Parent(mother.id, mother.attempt, node)))
    async with await psycopg.AsyncConnection.connect(dsn) as one, await psycopg.AsyncConnection.connect(dsn) as another:
        async with asyncio.timeout(5):
            await one.execute(*fence)
            await another.execute(*fence)
            await another.commit()
            await one.commit()
            assert await store.queue.say(node, [said(mother)]) == {mother.id}
