"""What was acknowledged and is gone is counted exactly, whoever comes back first."""

import pytest
import redis
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Ledger

from tests.clients.buffer_entries import entry, submit
from tests.valkeys import Valkey


@pytest.fixture
def connection(own_valkey: Valkey):
    with own_valkey.connect() as connection:
        yield connection


@pytest.fixture
def ledger(connection, site):
    return Ledger(connection, site)


class Producer:
    """A producer as the script sees it: what it knows, and what it submits."""

    def __init__(self, connection: redis.Redis, site: str) -> None:
        self.connection, self.site = connection, site
        self.epoch, self.seq = "", 0

    def submits(self, count: int = 1) -> None:
        for _ in range(count):
            what, self.epoch, self.seq, _ = submit(self.connection, self.site, entry(), self.epoch, self.seq)
            assert what == 1


@pytest.fixture
def make(connection, site):
    return lambda: Producer(connection, site)


def lost(ledger):
    return sorted((gap.first, gap.last, gap.count) for gap in ledger.gaps())


def test_no_gap_is_seen_where_there_is_none(make, ledger, own_valkey, connection):
    ada, grace = make(), make()
    ada.submits(3)
    grace.submits(2)
    ada.submits()
    connection.save()
    own_valkey.restart()
    for producer in (grace, ada, make()):
        producer.submits()
    assert lost(ledger) == []
    assert ledger.totals().submitted == 9


def test_an_emptied_server_is_noticed_by_the_first_who_knows_better_and_numbers_go_on(make, ledger, connection):
    ada = make()
    ada.submits(50)
    epoch = ada.epoch
    connection.flushall()
    ada.submits()
    assert (ada.seq, ada.epoch != epoch) == (51, True)
    assert lost(ledger) == [(1, 50, 50)]
    assert ledger.gaps()[0].epoch == epoch


def test_what_the_main_database_has_is_not_lost(make, ledger, connection):
    ada = make()
    ada.submits(50)
    epoch = ada.epoch
    connection.flushall()
    ada.submits()
    ledger.settle(epoch, 45)
    assert lost(ledger) == [(46, 50, 5)]
    ledger.settle(epoch, 50)
    assert lost(ledger) == []


def test_the_drainer_may_notice_first(make, ledger, connection):
    ada = make()
    ada.submits(50)
    epoch = ada.epoch
    connection.flushall()
    totals = ledger.settle(epoch, 45)
    assert (totals.submitted, lost(ledger)) == (45, [])
    ada.submits()
    assert (ada.seq, lost(ledger)) == (51, [(46, 50, 5)])


@pytest.mark.parametrize("first_is_behind", [True, False])
def test_two_producers_who_know_differently_count_nothing_twice(make, ledger, connection, first_is_behind):
    ada, grace = make(), make()
    ada.submits(50)
    grace.submits(10)
    old = grace.epoch
    connection.flushall()
    for producer in (ada, grace) if first_is_behind else (grace, ada):
        producer.submits()
    assert sum(gap.count for gap in ledger.gaps()) == 60
    ledger.settle(old, 45)
    assert sum(gap.count for gap in ledger.gaps()) == 15
    ada.submits()
    grace.submits()
    assert sum(gap.count for gap in ledger.gaps()) == 15


def test_a_producer_without_knowledge_hides_no_gap(make, ledger, connection):
    ada = make()
    ada.submits(50)
    connection.flushall()
    make().submits(3)
    assert lost(ledger) == []
    ada.submits()
    assert lost(ledger) == [(1, 50, 50)]


@pytest.mark.parametrize("strangers", [0, 5, 40])
def test_a_killed_server_that_lost_its_tail_is_counted_though_others_submitted_since(
    make, ledger, connection, own_valkey, strangers
):
    ada = make()
    ada.submits(30)
    connection.save()
    ada.submits(20)
    own_valkey.restart()
    make().submits(strangers)
    ada.submits()
    assert lost(ledger) == [(31, 50, 20)]
    assert ada.seq == max(50, 30 + strangers) + 1


def test_a_server_set_back_without_a_new_start_is_counted_too(make, ledger, connection, site):
    ada = make()
    ada.submits(50)
    connection.hset(Keys(site).meta, "submitted", 30)
    ada.submits()
    assert (ada.seq, lost(ledger)) == (51, [(31, 50, 20)])


def test_after_two_losses_both_are_counted_and_who_comes_late_adds_nothing(make, ledger, connection, own_valkey):
    ada, grace = make(), make()
    ada.submits(20)
    grace.submits(10)
    connection.save()
    ada.submits(10)
    own_valkey.restart()
    ada.submits(5)
    assert lost(ledger) == [(31, 40, 10)]
    connection.save()
    ada.submits(7)
    own_valkey.restart()
    ada.submits()
    grace.submits()
    assert lost(ledger) == [(31, 40, 10), (46, 52, 7)]


def test_after_a_clean_start_an_emptied_server_is_counted_over_both_epochs(make, ledger, connection, own_valkey):
    ada = make()
    ada.submits(50)
    drained = ada.epoch, 40
    connection.save()
    own_valkey.restart()
    ada.submits(10)
    connection.flushall()
    ada.submits()
    ledger.settle(*drained)
    assert lost(ledger) == [(41, 60, 20)]


def test_what_the_database_has_of_a_later_epoch_says_nothing_of_an_earlier_gap(make, ledger, connection):
    ada, grace = make(), make()
    ada.submits(50)
    grace.submits(10)
    old = grace.epoch
    connection.flushall()
    ada.submits(3)
    ledger.settle(old, 50)
    ledger.settle(ada.epoch, 53)
    grace.submits()
    assert lost(ledger) == [(51, 60, 10)]
    assert grace.seq == 61
    ledger.settle(ada.epoch, 53)
    assert lost(ledger) == [(51, 60, 10)]


def test_a_server_set_back_over_several_epochs_is_counted_once(make, ledger, connection, own_valkey):
    ada, grace = make(), make()
    ada.submits(30)
    connection.save()
    dump = (own_valkey.folder / "dump.rdb").read_bytes()
    own_valkey.restart()
    ada.submits(10)
    grace.submits(10)
    connection.save()
    own_valkey.restart()
    ada.submits(10)
    (own_valkey.folder / "dump.rdb").write_bytes(dump)
    own_valkey.restart()
    make().submits(5)
    for producer in (ada, grace, ada, grace):
        producer.submits()
    assert lost(ledger) == [(31, 60, 30)]
