"""From a submit to a replica: what a reader sees who waits, and one who does not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from windlass_buffer.aside import Aside
from windlass_buffer_client import SyncBufferClient
from windlass_buffer_client.envelope import Record, Statement

from tests.plugins.buffer.drains import Field
from tests.plugins.buffer.replicas import Pair

READS = 1000
READERS = 16
SHOWN = "select exists(select from effect where seq = %s)"


@contextmanager
def lagging(pair: Pair) -> Iterator[None]:
    """Replay stands still every other moment: a replica that is never paused replays within 0.3 ms."""
    over = threading.Event()
    moments = random.Random(7)

    def lag() -> None:
        with psycopg.connect(pair.replica, autocommit=True) as connection:
            while not over.wait(moments.uniform(0.001, 0.02)):
                connection.execute("select pg_wal_replay_pause()")
                over.wait(moments.uniform(0.001, 0.02))
                connection.execute("select pg_wal_replay_resume()")

    thread = threading.Thread(target=lag)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(20)


@contextmanager
def drained(field: Field, pair: Pair) -> Iterator[SyncBufferClient]:
    settings = field.settings
    with (
        Aside(settings, settings.site[0], field.url, pair.primary, field.heard.step) as aside,
        field.draining(follow=aside.follow),
        SyncBufferClient(field.url, field.site, replicas={"r1": pair.replica}) as client,
    ):
        yield client


@pytest.fixture
def field(valkey_url, pair, site) -> Iterator[Field]:
    made = Field(valkey_url, pair.primary, site, replica=[{"name": "r1", "dsn": pair.replica}], redis_safety="off")
    made.create()
    pair.cluster.replica.catch_up(pair.cluster.primary)
    yield made
    made.redis.close()


def stale_reads(client: SyncBufferClient, replica: str, numbers: Iterable[int], *, waits: bool) -> int:
    """How many of these one reader misses right after they were written."""
    missed = 0
    with psycopg.connect(replica, autocommit=True) as reader:
        for seq in numbers:
            told = client.submit("/test", [Statement("effect.add", parameters={"key": "", "seq": seq})])
            client.wait_for(told.id, replica="r1" if waits else None)
            missed += reader.execute(SHOWN, [seq]).fetchone() != (True,)
    return missed


def test_who_waits_for_the_replica_never_reads_what_is_stale_and_who_does_not_does(field, pair):
    with drained(field, pair) as client, lagging(pair), ThreadPoolExecutor(READERS) as readers:

        def stale(numbers: range, *, waits: bool) -> int:
            shares = [numbers[first::READERS] for first in range(READERS)]
            return sum(readers.map(lambda share: stale_reads(client, pair.replica, share, waits=waits), shares))

        assert stale(range(READS), waits=True) == 0
        assert stale(range(READS, READS + 100), waits=False) > 0


def test_a_record_is_read_from_buffer_cache_and_database_in_turn_and_never_older(field, pair):
    replica = pair.cluster.replica
    replica.pause()
    record = Record("effects", "1", {"seq": 1})

    def read(client: SyncBufferClient) -> str:
        def database() -> dict[str, int] | None:
            with psycopg.connect(pair.replica, autocommit=True) as connection:
                row = connection.execute("select seq from effect where seq = 1").fetchone()
                return {"seq": row[0]} if row else None

        found = client.read("effects", "1", database)
        assert found is not None
        assert found.data == {"seq": 1}
        return found.origin

    with drained(field, pair) as client:
        told = client.submit("/test", [Statement("effect.add", parameters={"key": "", "seq": 1})], records=[record])
        assert read(client) in {"buffer", "cache"}
        client.wait_for(told.id)
        assert read(client) == "cache"
        replica.resume()
        client.wait_for(told.id, until="replicated")
        assert read(client) == "database"
        # It was handed over: the tracker's own look at Redis comes every 5 s.
        assert client.status(told.id).state == "replicated"


def test_what_the_drainer_commits_is_replicated_at_once(field, pair):
    with drained(field, pair) as client:
        began = time.monotonic()
        for number in range(20):
            told = client.submit("/test", [Statement("effect.add", parameters={"key": "", "seq": number})])
            client.wait_for(told.id, until="replicated")
        assert time.monotonic() - began < 20 * 1.0
