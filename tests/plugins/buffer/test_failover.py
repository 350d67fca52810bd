"""The tracker with several replicas, and when one of them becomes the primary."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import psycopg
from psycopg.conninfo import make_conninfo
from windlass_buffer.failovers import failovers
from windlass_buffer.replica import Replica as WatchedReplica

from tests.plugins.buffer.followed import Buffer, running, until
from tests.plugins.buffer.links import Link
from tests.plugins.buffer.replicas import Cluster


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


def test_a_failover_while_nobody_looked_is_reported_afterwards(cluster: Cluster, connection, site, monkeypatch):
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
    asked: list[int] = []

    def fails(self: WatchedReplica, site: str, ids: Sequence[str]) -> frozenset[str]:
        asked.append(len(list(ids)))
        raise psycopg.OperationalError("the link broke at this very moment")

    with monkeypatch.context() as broken, running(buffer.tracker()):
        broken.setattr(WatchedReplica, "find", fails)
        until(lambda: len(asked) > 3)
    # Nothing is called lost by one that could not be asked.
    assert failovers(connection, site) == []
    assert len(buffer.ledger.pending()) == 5
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
