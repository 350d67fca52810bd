"""The tracker between a real Valkey, a real primary and its real replica."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import LiteralString
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass_buffer.replica import Replica as WatchedReplica
from windlass_buffer_client import lsn
from windlass_buffer_client.ledger import CACHE_TTL, Applied

from tests.clients.buffer_entries import entry
from tests.plugins.buffer.followed import IDENTITY, Buffer, one, running, until
from tests.plugins.buffer.links import Link
from tests.plugins.buffer.replicas import Pair
from tests.valkeys import Valkey

# Messages that are only in the log: each as long as what is left of a page, once it is known what they take beside.
END_A_PAGE: LiteralString = """
create function pg_temp.end_a_page() returns pg_lsn language plpgsql as $$
declare
  began numeric; beside numeric; place numeric;
begin
  for attempt in 1..1000 loop
    began := pg_current_wal_insert_lsn() - '0/0';
    perform pg_logical_emit_message(false, '', repeat('x', 1000));
    place := pg_current_wal_insert_lsn() - '0/0';
    continue when div(began, 8192) <> div(place, 8192);  -- a page's header is between
    beside := place - began - 1000;
    perform pg_logical_emit_message(false, '', repeat('x', greatest(1, 8192 - place % 8192 - beside)::int));
    if (pg_current_wal_insert_lsn() - '0/0') % 8192 = 24 then
      return pg_current_wal_insert_lsn();
    end if;
  end loop;
  return '0/0';
end $$
"""


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
    with running(buffer.tracker()) as tracker:
        for _ in range(2):  # the first one may be found when the tracker starts, the second cannot
            (done,) = buffer.commit()
            until(lambda: not buffer.ledger.pending())
            assert buffer.state(done.entry) == "replicated"
        assert tracker.following == 0


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
        database.execute(END_A_PAGE)
        position = str(one(database.execute("select pg_temp.end_a_page()"))[0])
        _, system, timeline = one(database.execute(IDENTITY))
        assert lsn.number(position) % 8192 == 24
        told, ended = entry(), lsn.text(lsn.end(lsn.number(position)))  # as the drainer says it
        buffer.ledger.applied([Applied(told, ended, system, timeline)])
        # Inside: the end of the session drops the function, which goes into the log.
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
