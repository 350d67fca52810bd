"""Behind a transaction pooler: it is noticed, every statement brings its settings, and hearing needs a way past it."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from windlass.errors import BootError, StoreUnavailable
from windlass.store.facts import NodeFacts
from windlass.store.port import Store
from windlass.store.postgres import open_store
from windlass.store.postgres.cluster import PostgresCluster
from windlass.store.postgres.connection import SETTINGS, Address, Connections
from windlass.store.postgres.line import Line
from windlass.store.postgres.pooler import is_pooled

from tests.contract.facts import stored
from tests.poolers import Pooler

pytestmark = pytest.mark.needs(program="pgbouncer", package="pgbouncer")
module = importlib.import_module("windlass.store.postgres.connection")
NAMES = {"names": list(SETTINGS)}
LEASE = 30.0


@pytest.fixture
def asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every statement but `settle` asks for the settings under which it runs."""
    real = module.sql
    query = "select s, current_setting(s) from unnest(%(names)s::text[]) as s"
    monkeypatch.setattr(module, "sql", lambda name: real(name) if name == "settle" else query)


@pytest.fixture
async def connections(pooled: str) -> AsyncIterator[Connections]:
    made = Connections(Address(pooled, pooled=True), 4)
    await made.open()
    yield made
    await made.close()


def seen(rows: list[tuple[Any, ...]]) -> dict[str, str]:
    """The settings as they were asked for: PostgreSQL writes milliseconds as it likes."""
    return {name: setting.replace("30s", "30000") for name, setting in rows}


async def test_a_pooler_is_noticed_and_a_direct_connection_is_none(pooled: str, dsn: str) -> None:
    assert await is_pooled(pooled)
    assert not await is_pooled(dsn)


@pytest.mark.usefixtures("asking")
async def test_every_statement_behind_a_pooler_runs_under_our_settings(connections: Connections) -> None:
    line = Line(connections.address)
    assert seen(await connections.rows("any", NAMES)) == SETTINGS
    assert seen(await line.rows("any", NAMES)) == SETTINGS
    async with connections.transaction() as run:
        assert seen(await run("any", NAMES)) == SETTINGS
    await line.close()


@pytest.mark.usefixtures("asking")
async def test_the_settings_stay_with_their_transaction(connections: Connections, pooled: str) -> None:
    assert seen(await connections.rows("any", NAMES)) == SETTINGS
    strangers = Connections(Address(pooled, pooled=False), 2)
    module_pool = strangers._pool
    module_pool.kwargs = {"prepare_threshold": None, "autocommit": True}
    await strangers.open()
    for _ in range(20):
        assert seen(await strangers.rows("any", NAMES))["enable_seqscan"] == "on"
    await strangers.close()


async def test_no_statement_travels_in_a_pipeline_not_even_a_heartbeat(
    pooled: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise AssertionError("pgbouncer 1.18 may never send this on")

    for connection in (psycopg.Connection, psycopg.AsyncConnection):
        monkeypatch.setattr(connection, "pipeline", refused)
    behind = await open_store(pooled)
    node = await behind.cluster.join(NodeFacts("n", "m", 1, 1, ()), LEASE)
    for _ in range(3):
        assert await asyncio.to_thread(behind.cluster.renew, node, LEASE)
    await behind.cluster.beat(node, LEASE)
    assert not await asyncio.to_thread(behind.cluster.renew, node + 1, LEASE)
    assert isinstance(behind.cluster, PostgresCluster)
    behind.cluster.stop_renewing()
    await behind.close()


@pytest.mark.usefixtures("asking")
def test_a_heartbeat_behind_a_pooler_runs_under_our_settings(pooled: str) -> None:
    with psycopg.connect(pooled, **Address(pooled, pooled=True).dialling()) as heart:
        assert seen(module.perform_blocking(heart, "any", NAMES, pooled=True)) == SETTINGS
        assert heart.info.transaction_status is TransactionStatus.IDLE


async def test_many_clients_share_few_backends(pooled: str, dsn: str, pooler: Pooler) -> None:
    store = await open_store(pooled, connections=10)
    await asyncio.gather(*(stored(store) for _ in range(60)))
    assert 0 < pooler.backends(dsn) <= 3
    await store.close()


async def test_a_pooler_that_was_denied_is_named_in_the_error(pooled: str) -> None:
    with pytest.raises(StoreUnavailable, match=r"set store\.pooler = true"):
        await open_store(pooled, pooler=False)


async def test_a_server_without_a_pooler_may_say_so(dsn: str) -> None:
    store = await open_store(dsn, pooler=False)
    assert await stored(store)
    await store.close()


async def test_a_way_to_listen_that_leads_to_the_pooler_stops_the_boot(pooled: str) -> None:
    with pytest.raises(BootError, match=r"store\.listen_dsn leads to a pooler"):
        await open_store(pooled, listen_dsn=pooled)


async def words_of(store: Store, count: int, within: float) -> list[str]:
    heard: list[str] = []
    async with aclosing(store.hints()) as words:  # type: ignore[type-var]
        try:
            async with asyncio.timeout(within):
                async for word in words:
                    heard.append(word)
                    if len(heard) == count:
                        break
        except TimeoutError:
            pass
    return heard


async def test_past_the_pooler_the_hints_of_others_are_heard(pooled: str, dsn: str, store: Store) -> None:
    behind = await open_store(pooled, listen_dsn=dsn)
    listening = asyncio.create_task(words_of(behind, 2, 10.0))
    while not listening.done():
        await stored(store)
        await asyncio.wait([listening], timeout=0.05)
    assert await listening == ["", "ready/default"]
    await behind.close()


async def test_without_a_way_past_the_pooler_nothing_is_heard_and_nothing_fails(pooled: str, store: Store) -> None:
    behind = await open_store(pooled)
    listening = asyncio.create_task(words_of(behind, 2, 0.3))
    await stored(store)
    assert await listening == [""]
    await behind.close()
