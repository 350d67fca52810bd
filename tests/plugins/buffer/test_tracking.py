"""The tracker between a real Valkey, a real primary and its real replicas."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, LiteralString
from uuid import uuid4

import psycopg
import pytest
import redis
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass_buffer import BufferSettings, lsn
from windlass_buffer.failovers import failovers
from windlass_buffer.replica import Replica as WatchedReplica
from windlass_buffer.settings import Replica, Site
from windlass_buffer.tracking import Tracker
from windlass_buffer_client.envelope import Entry, Record
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import CACHE_TTL, Applied, Ledger

from tests.clients.buffer_entries import entry
from tests.plugins.buffer.links import Link
from tests.plugins.buffer.replicas import Cluster, Pair
from tests.valkeys import Valkey

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


@pytest.fixture
def connection(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as made:
        yield made


@pytest.fixture
def buffer(connection, site, pair: Pair) -> Buffer:
    return Buffer(connection, site, pair.primary, r1=pair.replica)


def test_what_the_replica_shows_leaves_the_cache_and_what_it_does_not_stays(buffer, pair):
    pair.cluster.replica.pause()
    with running(buffer.tracker()) as tracker:
        (late,) = buffer.commit(tracker=tracker)
        until(lambda: tracker.following == 1)
        looks = until(
            lambda: pair.cluster.replica.ask(
                "select query from pg_stat_activity where application_name = 'windlass buffer'"
            )
        )
        assert looks
        assert (buffer.state(late.entry), buffer.cached()) == ("applied", True)
        pair.cluster.replica.resume()
        until(lambda: buffer.state(late.entry) == "replicated")
        assert not buffer.cached()
        assert tracker.following == 0
        assert buffer.ledger.pending() == {}
    assert buffer.said == []


def test_a_restart_goes_on_with_what_was_pending(buffer, pair):
    pair.cluster.replica.pause()
    with running(buffer.tracker()) as tracker:
        done = buffer.commit(20, tracker=tracker)
        until(lambda: tracker.following == 20)
    pair.cluster.replica.resume()
    with running(buffer.tracker()):
        until(lambda: all(buffer.state(each.entry) == "replicated" for each in done))


def test_what_another_drainer_applied_is_followed_too(buffer, monkeypatch):
    monkeypatch.setattr("windlass_buffer.tracking.READ_AGAIN_AFTER", 0.05)
    with running(buffer.tracker()):
        (done,) = buffer.commit()
        until(lambda: buffer.state(done.entry) == "replicated")


def test_one_query_asks_a_replica_for_all_that_is_pending(buffer, pair):
    pair.cluster.replica.pause()
    database = conninfo_to_dict(pair.replica)["dbname"]
    with psycopg.connect(pair.cluster.replica.dsn(), autocommit=True) as watcher:

        def transactions() -> int:
            query: LiteralString = "select xact_commit from pg_stat_database where datname = %s"
            return int(one(watcher.execute(query, [database]))[0])

        with running(buffer.tracker(lsn_interval=0.1)) as tracker:
            buffer.commit(300, tracker=tracker)
            until(lambda: tracker.following == 300)
            asked = transactions()
            # The server adds them up about once a second: ten looks, or 300 for each look.
            until(lambda: transactions() > asked + 3)
            assert transactions() - asked < 100
    assert tracker.following == 300


def test_a_timeout_drops_nothing_warns_once_and_extends_the_cache_but_never_shortens_it(buffer, pair):
    pair.cluster.replica.pause()
    now = [time.time()]
    with running(buffer.tracker(clock=lambda: now[0])) as tracker:
        (done,) = buffer.commit(tracker=tracker)
        until(lambda: tracker.following)
        key = buffer.keys.cache("people", "1")
        until(lambda: buffer.connection.ttl(key) > CACHE_TTL)
        buffer.connection.expire(key, 3000)
        now[0] += 31
        until(lambda: buffer.heard("1 transactions are not shown", "r1 is", "bytes behind"))
        assert buffer.connection.ttl(key) > 2900
        buffer.connection.expire(key, 5)
        now[0] += 31
        until(lambda: buffer.connection.ttl(key) > CACHE_TTL)
        assert len(buffer.said) == 1
        pair.cluster.replica.resume()
        until(lambda: buffer.state(done.entry) == "replicated")
        until(lambda: buffer.heard("caught up"))


def test_a_replica_that_is_away_is_tried_again_and_nothing_is_lost(buffer, pair):
    replica = pair.cluster.replica
    replica.stop()
    with running(buffer.tracker()) as tracker:
        (done,) = buffer.commit(tracker=tracker)
        until(lambda: buffer.heard("Replica r1 cannot be asked"))
        assert buffer.state(done.entry) == "applied"
        replica.start()
        until(lambda: buffer.state(done.entry) == "replicated")
    assert buffer.heard("Replica r1 answers again")
    assert len(buffer.said) == 2


def test_a_replica_of_another_database_is_refused(buffer, dsn):
    with psycopg.connect(dsn) as other:
        foreign = one(other.execute("select system_identifier::text from pg_control_system()"))[0]
    wrong = Buffer(buffer.connection, buffer.site.name, buffer.primary, r1=dsn)
    with running(wrong.tracker()) as tracker:
        (done,) = wrong.commit(tracker=tracker)
        until(lambda: wrong.heard("Replica r1 is refused", foreign, done.system, wrong.site.name))
        assert wrong.state(done.entry) == "applied"
        until(lambda: tracker.following == 1)
    assert len(wrong.said) == 1


def test_without_replicas_what_is_committed_is_shown(connection, site, pair):
    buffer = Buffer(connection, site, pair.primary)
    with running(buffer.tracker()) as tracker:
        (done,) = buffer.commit(tracker=tracker)
        until(lambda: buffer.state(done.entry) == "replicated")


def test_switched_off_it_leaves_the_cache_to_its_time(buffer):
    tracker = buffer.tracker(lsn_tracking=False)
    (done,) = buffer.commit(tracker=tracker)
    tracker.run(threading.Event())
    assert (buffer.state(done.entry), buffer.cached()) == ("applied", True)


def test_a_redis_that_is_away_is_waited_for(own_valkey: Valkey, site, pair):
    connection = own_valkey.connect()
    buffer = Buffer(connection, site, pair.primary, r1=pair.replica)
    pair.cluster.replica.pause()
    with running(buffer.tracker()) as tracker:
        (done,) = buffer.commit(tracker=tracker)
        connection.save()
        until(lambda: tracker.following == 1)
        own_valkey.kill()
        pair.cluster.replica.resume()
        until(lambda: buffer.heard("Redis is away"))
        own_valkey.start()
        until(lambda: buffer.state(done.entry) == "replicated")
    assert buffer.heard("Redis answers again")
    connection.close()


def test_a_position_at_the_end_of_a_page_is_not_waited_for(buffer, pair):
    """pg_current_wal_insert_lsn() names the place behind the next page's header, which no replica reports."""
    with psycopg.connect(pair.primary, autocommit=True) as database:

        def position() -> int:
            return lsn.number(str(one(database.execute("select pg_current_wal_insert_lsn()"))[0]))

        def fill(size: int) -> None:
            database.execute("select pg_logical_emit_message(false, '', repeat('x', %s))", [size])

        for _ in range(500):
            # A message that ends with the page, once the place it takes beside its text is known.
            start = position()
            fill(1000)
            beside = position() - start - 1000
            fill(max(1, 8192 - position() % 8192 - beside))
            if position() % 8192 == 24:
                break
        assert position() % 8192 == 24
        _, system, timeline = one(database.execute(IDENTITY))
        told = entry()
        done = Applied(told, lsn.text(position()), system, timeline)
    buffer.ledger.applied([done])
    pair.cluster.replica.catch_up(pair.cluster.primary)
    with running(buffer.tracker()):
        until(lambda: buffer.state(told) == "replicated", 5)


def test_a_look_that_hangs_is_cut_off_and_the_next_one_has_its_own_answer(pair):
    link = Link(f"{pair.cluster.replica.folder}/.s.PGSQL.5432")
    dsn = make_conninfo(pair.replica, host="127.0.0.1", port=link.port)
    replica = WatchedReplica("r1", lambda: dsn)
    try:
        with ThreadPoolExecutor(1) as beside:
            before = replica.look()
            link.fall_silent()
            hanging = beside.submit(replica.find, "shop", [str(uuid4())])
            with pytest.raises(TimeoutError):
                hanging.result(0.2)
            replica.cut()
            with pytest.raises(psycopg.OperationalError):
                hanging.result(5)
            link.speak()
            after = replica.look()
            assert (after.system, after.timeline) == (before.system, before.timeline)
    finally:
        replica.close()
        link.close()


# --- several replicas, and failover


def test_a_replica_that_falls_silent_delays_no_other_and_is_connected_to_anew(
    cluster: Cluster, connection, site, monkeypatch
):
    monkeypatch.setattr("windlass_buffer.lookout.PATIENCE", 0.1)
    monkeypatch.setattr("windlass_buffer.lookout.HANGS_AFTER", 0.5)
    second = cluster.add_replica()
    link = Link(f"{second.folder}/.s.PGSQL.5432")
    silent = make_conninfo(second.dsn(), host="127.0.0.1", port=link.port)
    try:
        buffer = Buffer(connection, site, cluster.primary.dsn(), r1=cluster.replica.dsn(), r2=silent)
        with running(buffer.tracker(quorum=1)) as any_of_them, running(buffer.tracker()) as all_of_them:
            (first,) = buffer.commit(tracker=all_of_them)
            until(lambda: buffer.state(first.entry) == "replicated")
            link.fall_silent()
            for _ in range(3):
                told = buffer.commit(tracker=any_of_them)
                all_of_them.follow(told)
                until(lambda: not any_of_them.following, 5)
                assert buffer.state(told[0].entry) == "replicated"
            until(lambda: buffer.heard("Replica r2 has not answered"))
            assert all_of_them.following >= 3
            link.speak()
            until(lambda: all_of_them.following == 0)
            assert buffer.heard("Replica r2 answers again")
    finally:
        link.close()


def test_a_quorum_of_two_replicas_decides(cluster: Cluster, connection, site):
    second = cluster.add_replica()
    buffer = Buffer(connection, site, cluster.primary.dsn(), r1=cluster.replica.dsn(), r2=second.dsn())
    cluster.replica.catch_up(cluster.primary)
    cluster.replica.pause()
    with running(buffer.tracker(quorum=1)) as tracker:
        (one,) = buffer.commit(tracker=tracker)
        until(lambda: buffer.state(one.entry) == "replicated")
    with running(buffer.tracker()) as tracker:
        (two,) = buffer.commit(tracker=tracker)
        second.catch_up(cluster.primary)
        until(lambda: tracker.following == 1)
        assert buffer.state(two.entry) == "applied"
        second.stop()
        cluster.replica.resume()
        until(lambda: buffer.heard("Replica r2 cannot be asked"))
        assert buffer.state(two.entry) == "applied"
        second.start()
        until(lambda: buffer.state(two.entry) == "replicated")


def test_a_failover_is_reported_with_what_it_may_have_lost(cluster: Cluster, connection, site):
    primary, replica = cluster.primary, cluster.replica
    buffer = Buffer(connection, site, primary.dsn(), r1=replica.dsn())
    with running(buffer.tracker()) as tracker:
        (before,) = buffer.commit(tracker=tracker)
        until(lambda: buffer.state(before.entry) == "replicated")
        replica.follow(None)
        behind = buffer.commit(2, tracker=tracker)
        until(lambda: tracker.following == 2)
        primary.stop(immediate=True)
        replica.promote()
        until(lambda: failovers(connection, site))
        new = buffer.commit(tracker=tracker, dsn=replica.dsn())
        until(lambda: buffer.state(new[0].entry) == "replicated")
    assert buffer.heard("replica r1 was promoted", "timeline 1 → 2", "branched off at")
    assert buffer.heard("2 committed transactions may be missing", *(str(each.entry.id) for each in behind))
    (found,) = failovers(connection, site)
    assert (found.timeline, found.count, found.ids) == (1, 2, [str(each.entry.id) for each in behind])
    status = buffer.ledger.status(behind[0].entry.id)
    assert status
    assert "may be missing since a failover" in status.error
    assert buffer.ledger.pending() == {}
    assert not buffer.cached()  # of the one that came last, which is there


def test_a_failover_while_nobody_looked_is_reported_afterwards(cluster: Cluster, connection, site):
    primary, replica = cluster.primary, cluster.replica
    buffer = Buffer(connection, site, primary.dsn(), r1=replica.dsn())
    before = buffer.commit(3)
    replica.catch_up(primary)
    replica.follow(None)
    behind = buffer.commit(2)
    primary.stop(immediate=True)
    replica.promote()
    # This one was recorded on both sides: its drainer had no answer, and applied it again after the failover.
    replica.ask("create schema windlass_buffer")
    replica.ask("create table windlass_buffer.applied (site text, id uuid)")
    replica.ask("insert into windlass_buffer.applied values (%s, %s)", site, behind[0].entry.id)
    with running(buffer.tracker()):
        until(lambda: not buffer.ledger.pending())
    assert buffer.heard("replica r1 was promoted", "timeline 1 → 2")
    assert [found.ids for found in failovers(connection, site)] == [[str(behind[1].entry.id)]]
    states = [buffer.state(each.entry) for each in (*before, *behind)]
    assert states == ["replicated"] * 4 + ["applied"]


def test_a_role_needs_no_more_rights_than_the_page_says(cluster: Cluster, connection, site):
    primary, replica = cluster.primary, cluster.replica
    primary.ask("create role reader login")
    replica.catch_up(primary)
    reader = make_conninfo(replica.dsn(), user="reader")
    buffer = Buffer(connection, site, primary.dsn(), r1=reader)
    watched = WatchedReplica("r1", lambda: reader)
    with running(buffer.tracker()) as tracker:
        (told,) = buffer.commit(tracker=tracker)
        until(lambda: buffer.state(told.entry) == "replicated")
    replica.promote()
    assert watched.look().history is None
    replica.ask("grant execute on function pg_read_file(text, boolean) to reader")
    history = watched.look().history
    assert history is not None
    assert list(history) == [1]
    applied = str(told.entry.id)
    replica.ask("create schema windlass_buffer")
    replica.ask("create table windlass_buffer.applied (site text, id uuid)")
    replica.ask("insert into windlass_buffer.applied values (%s, %s)", site, applied)
    assert watched.find(site, [applied]) == frozenset()
    replica.ask("grant usage on schema windlass_buffer to reader")
    replica.ask("grant select on windlass_buffer.applied to reader")
    assert watched.find(site, [applied, str(uuid4())]) == {applied}
    watched.close()
