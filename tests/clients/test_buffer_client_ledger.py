"""The scripts in Redis, and what a drainer keeps with them: against a real Valkey."""

import json
from uuid import uuid4

import pytest
import redis
from windlass_buffer_client.envelope import Record, decode
from windlass_buffer_client.errors import BadEntry, BadName
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Applied, Ledger

from tests.clients.buffer_entries import entry, submit


@pytest.fixture
def connection(valkey_url):
    with redis.Redis.from_url(valkey_url) as connection:
        yield connection


@pytest.fixture
def ledger(connection, site):
    return Ledger(connection, site)


@pytest.fixture
def keys(site):
    return Keys(site)


ADA = Record("people", "1", {"name": "Ada"})


def applied(told, raw=b"", lsn="0/16B3748"):
    return Applied(told, lsn, "7412345678901234567", 1, raw)


def test_a_site_that_could_break_out_of_its_keys_is_refused():
    for name in ("", "a b", "{x}", "a:b", "-a", "a" * 101, "a\n"):
        with pytest.raises(BadName, match="site"):
            Keys(name)
    assert Keys("shop-1.eu").taken("d1") == "windlass:buffer:{shop-1.eu}:taken:d1"


def test_a_submitted_entry_waits_with_its_number_and_readers_see_its_records(connection, site, keys, ledger):
    first, second = entry(ADA, created=5.0), entry()
    assert submit(connection, site, first)[0::2] == [1, 1]
    _, epoch, seq, depth = submit(connection, site, second)
    assert (seq, depth) == (2, 2)
    bodies = [decode(each) for each in connection.lrange(keys.queue, 0, -1)]
    assert [(each.id, each.epoch, each.seq) for each in bodies] == [(second.id, epoch, 2), (first.id, epoch, 1)]
    found = json.loads(connection.hget(keys.read("people"), "1"))
    assert found == {"tx": str(first.id), "data": {"name": "Ada"}}
    status = ledger.status(first.id)
    assert (status.state, status.seq, status.created) == ("buffered", 1, 5.0)


def test_the_same_id_is_taken_once_and_answered_alike(connection, site, keys):
    told = entry()
    _, epoch, seq, _ = submit(connection, site, told)
    assert submit(connection, site, told) == [2, epoch, seq, 1]
    assert connection.llen(keys.queue) == 1


def test_nothing_is_taken_above_the_limit(connection, site, keys, ledger):
    submit(connection, site, entry(), limit=1)
    told = entry(ADA)
    what, _, seq, depth = submit(connection, site, told, limit=1)
    assert (what, seq, depth) == (0, 0, 1)
    assert ledger.status(told.id) is None
    assert not connection.exists(keys.read("people"))
    assert ledger.totals().submitted == 1


def test_a_script_is_loaded_again_when_the_server_forgot_it(connection, site):
    submit(connection, site, entry())
    connection.script_flush()
    assert submit(connection, site, entry())[2] == 2


def test_applied_moves_records_to_the_cache_and_takes_the_entry_off_the_list(connection, site, keys, ledger):
    told = entry(ADA)
    submit(connection, site, told)
    raw = connection.lmove(keys.queue, keys.taken("d1"), "RIGHT", "LEFT")
    ledger.applying([told.id])
    assert ledger.status(told.id).state == "applying"
    ledger.applied([applied(decode(raw), raw)], drainer="d1")
    status = ledger.status(told.id)
    assert (status.state, status.lsn, status.system, status.timeline) == (
        *("applied", "0/16B3748", "7412345678901234567"),
        1,
    )
    assert not connection.exists(keys.taken("d1"), keys.read("people"))
    assert json.loads(connection.get(keys.cache("people", "1")))["data"] == {"name": "Ada"}
    assert ledger.totals().drained == 1
    pending = ledger.pending()[str(told.id)]
    assert (pending.lsn, pending.records) == ("0/16B3748", [("people", "1")])


def test_what_a_later_transaction_wrote_stays_in_the_read_buffer_and_in_the_cache(connection, site, keys, ledger):
    first, second = entry(ADA), entry(Record("people", "1", {"name": "Grace"}))
    for told in (first, second):
        submit(connection, site, told)
    ledger.applied([applied(first)])
    assert json.loads(connection.hget(keys.read("people"), "1"))["data"] == {"name": "Grace"}
    ledger.applied([applied(second)])
    ledger.replicated([first.id])
    assert json.loads(connection.get(keys.cache("people", "1")))["data"] == {"name": "Grace"}
    ledger.replicated([second.id])
    assert not connection.exists(keys.cache("people", "1"), keys.pending)
    assert ledger.status(second.id).state == "replicated"


def test_a_stranger_that_pushes_an_entry_gets_its_status_when_it_is_applied(ledger):
    told = entry(ADA)
    ledger.applied([applied(told)], track=False)
    assert ledger.status(told.id).state == "applied"
    assert (ledger.status(told.id).seq, ledger.pending()) == (0, {})


def test_time_to_live_is_only_ever_extended(connection, site, keys, ledger):
    told = entry(ADA)
    ledger.applied([applied(told)])
    for seconds, least, most in ((5, 50, 60), (500, 490, 500), (100, 490, 500)):
        ledger.extend([told.id], seconds)
        assert least < connection.ttl(keys.cache("people", "1")) <= most
    assert connection.ttl(keys.transaction(told.id)) > 3000


def test_a_status_outlives_a_long_outage_and_is_kept_for_an_hour_once_the_transaction_has_ended(
    connection, site, keys, ledger
):
    told, key = entry(), keys.transaction
    submit(connection, site, told)
    ledger.applying([told.id])
    assert connection.ttl(key(told.id)) > 6 * 86_400
    ledger.applied([applied(told)])
    assert 3590 < connection.ttl(key(told.id)) <= 3600
    stranger = entry()
    ledger.applying([stranger.id])
    assert connection.ttl(key(stranger.id)) > 6 * 86_400


def test_a_dead_letter_keeps_body_error_and_attempts_and_readers_see_its_records_no_longer(
    connection, site, keys, ledger
):
    told = entry(ADA)
    submit(connection, site, told)
    raw = connection.lmove(keys.queue, keys.taken("d1"), "RIGHT", "LEFT")
    ledger.dead(raw, "no such table", 3, entry=decode(raw), drainer="d1")
    assert not connection.exists(keys.taken("d1"), keys.read("people"))
    ((_, letter),) = ledger.letters()
    assert (letter.error, letter.attempts, letter.entry().id) == ("no such table", 3, told.id)
    status = ledger.status(told.id)
    assert (status.state, status.error, status.attempts) == ("dead", "no such table", 3)
    assert (ledger.totals().dead, ledger.totals().drained) == (1, 1)


@pytest.mark.parametrize("raw", [b"nonsense", b"\xff\x00", b"", b"{}"])
def test_garbage_becomes_a_dead_letter_as_it_is(connection, keys, ledger, raw):
    connection.lpush(keys.taken("d1"), raw)
    ledger.dead(raw, "no valid entry", 0, drainer="d1")
    assert connection.llen(keys.taken("d1")) == (1 if raw == b"" else 0)
    ((_, letter),) = ledger.letters()
    assert letter.raw == raw
    with pytest.raises(BadEntry):
        letter.entry()


def test_nothing_is_known_of_what_was_never_submitted(ledger):
    assert ledger.status(uuid4()) is None
    assert (ledger.totals().epoch, ledger.gaps()) == ("", [])
