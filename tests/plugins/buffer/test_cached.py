"""Which records the cache holds is known by name, and the names go when their records do."""

from __future__ import annotations

from typing import cast

import pytest
import redis
from windlass_buffer_client import SyncBufferClient
from windlass_buffer_client.envelope import Record
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Applied, Ledger

from tests.clients.buffer_entries import entry
from tests.plugins.buffer.followed import until

SHORT = 1  # s


class Cache:
    """A site whose cache keeps a record for a second, unless it is extended."""

    def __init__(self, connection: redis.Redis, site: str) -> None:
        self.connection, self.keys = connection, Keys(site)
        self.ledger = Ledger(connection, site, cache_ttl=SHORT)

    def apply(self, *ids: str, track: bool = False) -> list[Applied]:
        done = [Applied(entry(Record("orders", id, {"n": id})), "0/16B3748", "7", 1) for id in ids]
        self.ledger.applied(done, track=track)
        return done

    def names(self) -> set[str]:
        found = cast("list[bytes]", self.connection.zrange(self.keys.cached("orders"), 0, -1))
        return {name.decode() for name in found}

    def forgets(self, *ids: str) -> None:
        until(lambda: not self.connection.exists(*(self.keys.cache("orders", id) for id in ids)))


@pytest.fixture
def cache(connection: redis.Redis, site: str) -> Cache:
    return Cache(connection, site)


def test_names_of_what_is_in_the_cache_no_more_go_with_the_next_transaction(cache: Cache) -> None:
    many = [str(number) for number in range(50)]
    cache.apply(*many)
    assert cache.names() == set(many)
    cache.forgets(*many)
    until(lambda: cache.apply("late") and cache.names() == {"late"})


def test_a_name_whose_record_had_its_time_goes_when_the_replicas_have_it(cache: Cache) -> None:
    [one, other] = cache.apply("1", "2", track=True)
    cache.ledger.extend([other.entry.id], 100)
    cache.forgets("1")
    cache.ledger.replicated([one.entry.id])
    assert cache.names() == {"2"}
    cache.ledger.replicated([other.entry.id])
    assert not cache.connection.exists(cache.keys.cached("orders"))


def test_a_name_stays_for_as_long_as_its_record_is_kept(cache: Cache, valkey_url: str, site: str) -> None:
    [kept] = cache.apply("kept", track=True)
    cache.ledger.extend([kept.entry.id], 100)
    cache.apply("short")
    cache.forgets("short")
    until(lambda: cache.apply("late") and cache.names() == {"kept", "late"})
    with SyncBufferClient(valkey_url, site) as client:
        assert {found.id for found in client.list("orders")} == {"kept", "late"}


def test_the_names_of_a_collection_that_nobody_writes_any_more_go_by_themselves(cache: Cache) -> None:
    cache.apply("1", "2")
    until(lambda: not cache.connection.exists(cache.keys.cached("orders")))
    [kept] = cache.apply("kept", track=True)
    cache.ledger.extend([kept.entry.id], 100)
    assert 90 < cache.connection.ttl(cache.keys.cached("orders")) <= 101
    cache.apply("2")
    assert 90 < cache.connection.ttl(cache.keys.cached("orders")) <= 101
