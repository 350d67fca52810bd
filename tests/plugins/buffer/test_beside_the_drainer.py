"""The kind DrainBuffer with all that goes on beside it, as the kernel runs it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from windlass import Outcome, Retry
from windlass_buffer.handler import DrainBuffer, DrainPayload
from windlass_buffer_client import SyncBufferClient
from windlass_buffer_client.envelope import Record, Statement
from windlass_buffer_client.keys import Keys

from tests.plugins.buffer.drains import Field, Heard


class Attempt(Heard):
    """As much of an attempt's context as the handler asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.task = SimpleNamespace(id=7, attempt=1, trigger="resident")
        self.cancelled = threading.Event()
        self.outcome: Outcome | None = None

    def run(self, field: Field) -> None:
        handler: Any = DrainBuffer(field.settings)
        self.outcome = handler.run(self, DrainPayload(field.site))


@contextmanager
def attempt(field: Field) -> Iterator[Attempt]:
    made = Attempt()
    thread = threading.Thread(target=made.run, args=(field,))
    thread.start()
    try:
        yield made
    finally:
        made.cancelled.set()
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def field(valkey_url, pair, site) -> Iterator[Field]:
    made = Field(valkey_url, pair.primary, site, replica=[{"name": "r1", "dsn": pair.replica}])
    made.create()
    pair.cluster.replica.catch_up(pair.cluster.primary)
    yield made
    made.redis.close()


def test_a_transaction_goes_from_submit_to_the_replica_and_the_cache_is_cleaned(field, pair):
    with attempt(field) as running, SyncBufferClient(field.url, field.site) as client:
        statement = Statement("effect.add", parameters={"key": "", "seq": 1})
        told = client.submit("/test", [statement], records=[Record("effects", "1", {"seq": 1})])
        assert client.wait_for(told.id, until="replicated").state == "replicated"
        assert not field.redis.exists(Keys(field.site).cache("effects", "1"))
        assert field.ledger.pending() == {}
    assert any("writes nothing to disk" in text for text in running.steps)
    assert running.outcome is not None
    assert not isinstance(running.outcome, Retry)


def test_a_redis_that_may_lose_what_it_is_given_is_refused_where_that_is_asked_for(field):
    field.place["redis_safety"] = "refuse"
    with attempt(field) as running:
        pass
    assert isinstance(running.outcome, Retry)
    assert "redis_safety" in running.outcome.message
    assert "set `appendonly yes`" in running.outcome.message
    assert running.steps == []


def test_nothing_is_said_of_a_redis_whose_safety_is_nobodys_matter(field):
    field.place["redis_safety"] = "off"
    with attempt(field) as running, SyncBufferClient(field.url, field.site) as client:
        told = client.submit("/test", [Statement("effect.add", parameters={"key": "", "seq": 1})])
        client.wait_for(told.id, until="replicated")
    assert not [text for text in running.steps if "warning" in text]
