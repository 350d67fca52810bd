"""An agent that joins while somebody has it forgotten."""

from __future__ import annotations

import asyncio

import psycopg
import pytest
from windlass.errors import AgentPresent
from windlass.store.agents import AgentState, Joined
from windlass.store.port import Store
from windlass.store.postgres.agents import _joining
from windlass.store.postgres.statements import sql

from tests.contract.facts import LEASE
from tests.contract.test_agents import agent
from tests.waiting import eventually

WAITING = "select from pg_stat_activity where wait_event_type = 'Lock' and query like '%delete from windlass.agent%'"


async def test_an_agent_that_joins_while_it_is_forgotten_stays(dsn: str, store: Store) -> None:
    before = await store.agents.join(agent(), LEASE)
    assert isinstance(before, Joined)
    await store.cluster.leave(before.epoch)
    async with await psycopg.AsyncConnection.connect(dsn) as joining:
        await joining.execute(sql("lock_agent"), {"id": "web-01"})
        forgetting = asyncio.create_task(store.agents.forget("web-01"))

        async def is_held_up() -> bool:
            async with await psycopg.AsyncConnection.connect(dsn) as looking:
                return (await looking.execute(WAITING)).rowcount > 0

        await eventually(is_held_up)
        await joining.execute(sql("join_agent"), _joining(agent(), LEASE))
        await joining.commit()
    with pytest.raises(AgentPresent):
        await forgetting
    [entry] = await store.agents.agents()
    assert entry.state is AgentState.LIVE
