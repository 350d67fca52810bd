"""A site whose transactions are applied by hand, for tests of what follows them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import redis
from windlass_buffer import BufferSettings
from windlass_buffer.settings import Replica, Site
from windlass_buffer.tracking import Tracker
from windlass_buffer_client.envelope import Entry, Record
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Applied, Ledger

from tests.clients.buffer_entries import entry

WRITE = "insert into notes values (%s)"
IDENTITY = """select pg_current_wal_flush_lsn()::text, (select system_identifier::text from pg_control_system()),
  ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int"""


def one(cursor: psycopg.Cursor[tuple[Any, ...]]) -> tuple[Any, ...]:
    row = cursor.fetchone()
    assert row is not None
    return row


class Buffer:
    """One site, whose transactions are applied by hand: each is committed, and its position read, as a drainer does."""

    def __init__(self, connection: redis.Redis, site: str, primary: str, **replicas: str) -> None:
        self.connection, self.primary, self.keys = connection, primary, Keys(site)
        self.ledger = Ledger(connection, site)
        self.said: list[str] = []
        named = [Replica(name=name, dsn=dsn) for name, dsn in replicas.items()]
        self.site = Site(name=site, dsn=primary, redis="redis://unused", replica=named)
        with psycopg.connect(primary, autocommit=True) as database:
            database.execute("create table if not exists notes (id uuid)")

    def commit(self, count: int = 1, *, tracker: Tracker | None = None, dsn: str = "") -> list[Applied]:
        done = []
        with psycopg.connect(dsn or self.primary, autocommit=True) as database:
            for _ in range(count):
                told = entry(Record("people", "1", {"name": "Ada"}))
                database.execute(WRITE, [told.id])
                done.append(Applied(told, *one(database.execute(IDENTITY))))
        self.ledger.applied(done)
        if tracker:
            tracker.follow(done)
        return done

    def state(self, told: Entry) -> str:
        status = self.ledger.status(told.id)
        return status.state if status else ""

    def cached(self) -> bool:
        return bool(self.connection.exists(self.keys.cache("people", "1")))

    def tracker(self, *, quorum: int = 0, clock: Callable[[], float] = time.time, **settings: Any) -> Tracker:
        site = self.site.__replace__(quorum=quorum) if quorum else self.site
        every = BufferSettings(**({"lsn_interval": 0.01} | settings))
        return Tracker(every, site, self.connection, lambda text, **_: self.said.append(text), clock)

    def heard(self, *words: str) -> bool:
        return any(all(word in text for word in words) for text in self.said)


@contextmanager
def running(tracker: Tracker) -> Iterator[Tracker]:
    stop = threading.Event()
    thread = threading.Thread(target=tracker.run, args=(stop,))
    thread.start()
    try:
        yield tracker
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def until(look: Callable[[], Any], within: float = 15.0) -> Any:
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)
    return found
