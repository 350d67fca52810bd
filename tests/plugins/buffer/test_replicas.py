"""The servers the other tests stand on do what those tests believe."""

from __future__ import annotations

import psycopg
import pytest

CREATE = "create table kept (n integer)"
COUNT = "select count(*) from kept"


def rows(dsn: str) -> int:
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = connection.execute(COUNT).fetchone()
    assert found
    return int(found[0])


@pytest.fixture
def filled(pair):
    with psycopg.connect(pair.primary, autocommit=True) as connection:
        connection.execute(CREATE)
    pair.cluster.replica.catch_up(pair.cluster.primary)
    return pair


def insert(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("insert into kept values (1)")


def test_a_paused_replica_shows_nothing_new_until_it_is_resumed(filled):
    replica = filled.cluster.replica
    replica.pause()
    insert(filled.primary)
    assert rows(filled.primary) == 1
    assert rows(filled.replica) == 0
    replica.resume()
    replica.catch_up(filled.cluster.primary)
    assert rows(filled.replica) == 1


@pytest.mark.parametrize("immediate", [False, True])
def test_a_primary_that_was_stopped_has_all_it_committed_and_its_replica_follows_it_again(filled, immediate):
    primary = filled.cluster.primary
    insert(filled.primary)
    primary.stop(immediate=immediate)
    with pytest.raises(psycopg.OperationalError):
        rows(filled.primary)
    primary.start()
    insert(filled.primary)
    assert rows(filled.primary) == 2
    filled.cluster.replica.catch_up(primary)
    assert rows(filled.replica) == 2


def test_a_replica_that_was_cut_off_and_promoted_lacks_what_came_later_and_a_second_one_does_not(cluster):
    second = cluster.add_replica()
    cluster.primary.ask(CREATE)
    cluster.replica.catch_up(cluster.primary)
    cluster.replica.follow(None)
    insert(cluster.primary.dsn())
    second.catch_up(cluster.primary)
    cluster.primary.stop(immediate=True)
    cluster.replica.promote()
    insert(cluster.replica.dsn())
    assert rows(cluster.replica.dsn()) == 1
    assert rows(second.dsn()) == 1
    assert cluster.replica.ask("select substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)") == [("00000002",)]
