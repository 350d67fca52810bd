"""wait_for(id, replica=…) against a real replica: it is asked itself, and nothing is answered early."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator
from typing import Any

import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass_buffer_client import BufferClient, Receipt, Statement, SyncBufferClient, WaitTimeout, WrongReplica
from windlass_buffer_client.envelope import decode
from windlass_buffer_client.ledger import Applied, Ledger

from tests.plugins.buffer.replicas import Pair
from tests.plugins.checks.servers import forwarding

ADD = [Statement("add_note")]
MARK = """select pg_current_wal_insert_lsn()::text, (select system_identifier::text from pg_control_system()),
  ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int"""


class Waiting:
    """A client of the kind under test, and what a drainer does with what it submits."""

    def __init__(self, client: Any, ledger: Ledger, primary: str) -> None:
        self._client, self._ledger, self._primary = client, ledger, primary

    async def submit(self) -> Receipt:
        done = await self._call("submit", "tests", ADD)
        assert isinstance(done, Receipt)
        return done

    async def submit_and_apply(self) -> Receipt:
        receipt = await self.submit()
        self.apply()
        return receipt

    def apply(self) -> None:
        raw = self._ledger._redis.rpop(self._ledger.keys.queue)
        assert isinstance(raw, bytes)
        told = decode(raw)
        with psycopg.connect(self._primary, autocommit=True) as connection:
            connection.execute("create table if not exists note (id uuid)")
            connection.execute("insert into note values (%s)", [told.id])
            mark = connection.execute(MARK).fetchone()
        assert mark is not None
        self._ledger.applied([Applied(told, *mark)])

    async def wait(self, receipt: Receipt, timeout: float, replica: str = "eu") -> Any:
        return await self._call("wait_for", receipt.id, replica=replica, timeout=timeout)

    async def _call(self, name: str, *given: Any, **named: Any) -> Any:
        call = getattr(self._client, name)
        if isinstance(self._client, BufferClient):
            return await call(*given, **named)
        return await asyncio.to_thread(call, *given, **named)


@pytest.fixture(params=["async", "sync"])
async def waiting(request, valkey_url: str, site: str, pair: Pair) -> AsyncIterator[Waiting]:
    kind = BufferClient if request.param == "async" else SyncBufferClient
    client = kind(valkey_url, site, replicas={"eu": pair.replica})
    with redis.Redis.from_url(valkey_url) as connection:
        yield Waiting(client, Ledger(connection, site), pair.primary)
    closed = client.close()
    if inspect.isawaitable(closed):
        await closed


def is_there(dsn: str, receipt: Receipt) -> bool:
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute("select to_regclass('note')").fetchone()
        if found == (None,):
            return False
        return connection.execute("select from note where id = %s", [receipt.id]).fetchone() is not None


async def test_what_it_returns_for_is_on_the_replica(waiting: Waiting, pair: Pair):
    for _ in range(10):
        receipt = await waiting.submit_and_apply()
        status = await waiting.wait(receipt, 20)
        assert status.is_applied
        assert is_there(pair.replica, receipt)


async def test_a_paused_replica_is_never_answered_for_and_ends_the_wait_once_it_goes_on(waiting: Waiting, pair: Pair):
    pair.cluster.replica.pause()
    receipt = await waiting.submit_and_apply()
    with pytest.raises(WaitTimeout, match=r"was not replayed by the replica eu.* within 0\.2 s, it is applied"):
        await waiting.wait(receipt, 0.2)
    assert not is_there(pair.replica, receipt)
    under_way = asyncio.create_task(waiting.wait(receipt, 20))
    await asyncio.sleep(0)
    pair.cluster.replica.resume()
    await under_way
    assert is_there(pair.replica, receipt)


async def test_one_wait_is_for_the_main_database_and_then_for_the_replica(waiting: Waiting, pair: Pair):
    receipt = await waiting.submit()
    with pytest.raises(WaitTimeout, match="was not applied within"):
        await waiting.wait(receipt, 0.05)
    under_way = asyncio.create_task(waiting.wait(receipt, 20, pair.replica))
    await asyncio.sleep(0)
    waiting.apply()
    await under_way
    assert is_there(pair.replica, receipt)


async def test_the_main_database_itself_may_be_asked(waiting: Waiting, pair: Pair):
    receipt = await waiting.submit_and_apply()
    await waiting.wait(receipt, 20, pair.primary)


async def test_a_server_of_another_cluster_is_refused(waiting: Waiting, postgres: str):
    receipt = await waiting.submit_and_apply()
    with pytest.raises(WrongReplica, match=r"belongs to the cluster .*give the DSN of a replica of the main database"):
        await waiting.wait(receipt, 20, postgres)


async def test_a_replica_that_is_away_ends_the_wait_with_what_it_said_and_no_password(waiting: Waiting):
    receipt = await waiting.submit_and_apply()
    with pytest.raises(WaitTimeout, match=r"replica .*it says: connection.*refused") as late:
        await waiting.wait(receipt, 0.1, "host=127.0.0.1 port=1 user=x password=hunter2")
    assert "hunter2" not in str(late.value)


async def test_a_replica_that_falls_silent_does_not_hold_the_wait_beyond_its_end(waiting: Waiting, pair: Pair):
    named = conninfo_to_dict(pair.replica)
    async with forwarding(f"{named['host']}/.s.PGSQL.{named['port']}") as served:
        dsn = make_conninfo(pair.replica, host="127.0.0.1", port=served.port)
        receipt = await waiting.submit_and_apply()
        await waiting.wait(receipt, 20, dsn)
        served.is_frozen = True
        began = time.monotonic()
        with pytest.raises(WaitTimeout, match="it says: "):
            await waiting.wait(receipt, 0.3, dsn)
        assert 0.3 <= time.monotonic() - began < 10
        served.is_frozen = False
        await waiting.wait(receipt, 20, dsn)


async def test_a_role_that_may_not_see_the_timeline_is_told_what_to_grant(waiting: Waiting, pair: Pair):
    with psycopg.connect(pair.primary, autocommit=True) as connection:
        connection.execute("create role stranger login")
        try:
            receipt = await waiting.submit_and_apply()
            pair.cluster.replica.catch_up(pair.cluster.primary)
            with pytest.raises(WrongReplica, match="grant pg_read_all_stats"):
                await waiting.wait(receipt, 20, f"{pair.replica} user=stranger")
            connection.execute("grant pg_read_all_stats to stranger")
            receipt = await waiting.submit_and_apply()
            pair.cluster.replica.catch_up(pair.cluster.primary)
            await waiting.wait(receipt, 20, f"{pair.replica} user=stranger")
        finally:
            connection.execute("drop role stranger")


async def test_after_a_failover_a_position_of_the_old_history_is_not_taken_for_one_of_the_new(
    valkey_url: str, site: str, cluster
):
    with redis.Redis.from_url(valkey_url) as connection:
        async with BufferClient(valkey_url, site, replicas={"eu": cluster.replica.dsn()}) as client:
            waiting = Waiting(client, Ledger(connection, site), cluster.primary.dsn())
            kept = await waiting.submit_and_apply()
            await waiting.wait(kept, 20)
            cluster.replica.follow(None)
            lost = await waiting.submit_and_apply()
            cluster.replica.promote()
            cluster.replica.ask("create table much as select generate_series(1, 50000)")
            for receipt in (lost, kept):
                with pytest.raises(
                    WrongReplica, match="timeline 2, the transaction was applied on 1: there was a failover"
                ):
                    await waiting.wait(receipt, 20)
            assert not is_there(cluster.replica.dsn(), lost)
