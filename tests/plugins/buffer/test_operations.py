"""What people do with dead letters and gaps, against a real Valkey."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import redis
import windlass_buffer
from windlass.errors import ArgumentInvalid, OperationRejected
from windlass.host.sections import ANSWER_SECONDS
from windlass.testing import Harness
from windlass_buffer import dead_letters
from windlass_buffer.failovers import record
from windlass_buffer.replication import Check
from windlass_buffer_client.envelope import Record, decode
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Ledger

from tests.clients.buffer_entries import entry, submit
from tests.plugins.buffer.dead import dies, garbage, settings
from tests.valkeys import Valkey


@pytest.fixture
def connection(valkey_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(valkey_url) as connection:
        yield connection


@pytest.fixture
def other(site: str) -> str:
    return f"{site}-b"


@pytest.fixture
async def harness(valkey_url: str, site: str, other: str) -> AsyncIterator[Harness]:
    async with Harness(windlass_buffer, settings=settings(valkey_url, site, other)) as made:
        yield made


def queue(connection: Any, site: str) -> list[Any]:
    """The entries that wait, the next one first."""
    return [decode(raw) for raw in reversed(connection.lrange(Keys(site).queue, 0, -1))]


async def test_requeued_letters_are_next_in_their_order_as_if_they_had_never_been_tried(harness, connection, site):
    ada = Record("people", "1", {"name": "Ada"})
    died = [dies(connection, site, records=[ada], key="k"), *(dies(connection, site) for _ in range(3))]
    waiting = entry()
    submit(connection, site, waiting)
    assert await harness.call("count", {"all": True, "site": site}) == [{"site": site, "count": 4}]
    assert await harness.call("requeue", {"all": True}) == {"requeued": 4, "remaining": 0, "unreadable": 0}
    found = queue(connection, site)
    assert [each.id for each in found] == [*(each.id for each in died), waiting.id]
    assert [(each.attempts, each.seq) for each in found[:4]] == [(0, 0)] * 4
    assert found[0].records == [ada]
    assert connection.llen(Keys(site).dead) == 0
    status = Ledger(connection, site).status(died[0].id)
    assert status is not None
    assert (status.state, status.attempts, status.error) == ("buffered", 0, "")
    assert b"Ada" in connection.hget(Keys(site).read("people"), "1"), "readers see it again"


@pytest.mark.parametrize("verb", ["requeue", "drop"])
async def test_a_dry_run_counts_and_leaves_everything_where_it_is(verb, harness, connection, site):
    for _ in range(3):
        dies(connection, site)
    answer = await harness.call(verb, {"all": True, "site": site, "dry_run": True})
    assert answer["remaining"] == 3
    assert not answer.get("requeued")
    assert not answer.get("dropped")
    assert (connection.llen(Keys(site).dead), connection.llen(Keys(site).queue)) == (3, 0)


async def test_a_requeued_letter_does_not_hide_what_readers_see_of_a_newer_one(harness, connection, site):
    dies(connection, site, records=[Record("people", "1", {"name": "Ada"})])
    submit(connection, site, entry(Record("people", "1", {"name": "Grace"})))
    await harness.call("requeue", {"all": True})
    assert b"Grace" in connection.hget(Keys(site).read("people"), "1")


async def test_a_letter_that_two_requeue_at_once_is_in_the_queue_once(harness, connection, site):
    died = [dies(connection, site) for _ in range(200)]
    answers = await asyncio.gather(*(harness.call("requeue", {"all": True}) for _ in range(4)))
    assert sum(answer["requeued"] for answer in answers) == 200
    assert sorted(each.id for each in queue(connection, site)) == sorted(each.id for each in died)


async def test_only_those_that_match_are_meant(harness, connection, site, other):
    orders = dies(connection, site, endpoint="orders", key="7", error="Duplicate KEY")
    dies(connection, site, endpoint="orders", key="8", error="timeout")
    dies(connection, other, endpoint="carts", key="7", error="duplicate key")
    counts = {
        2: {"endpoint": "orders"},
        1: {"endpoint": "orders", "key": "7"},
        0: {"older_than": 60.0},
        3: {"younger_than": 60.0},
    }
    for count, chosen in counts.items():
        assert sum(each["count"] for each in await harness.call("count", chosen)) == count, chosen
    assert [each["site"] for each in await harness.call("dead", {"error": "duplicate"})] == [site, other]
    assert (await harness.call("drop", {"error": "duplicate", "site": site}))["dropped"] == 1
    assert str(orders.id) not in {each["id"] for each in await harness.call("dead")}
    assert len(await harness.call("dead")) == 2


@pytest.mark.parametrize(
    ("operation", "argument", "words"),
    [
        ("requeue", {}, "say which dead letters: ids, all, or one of endpoint"),
        ("requeue", {"all": True, "endpoint": "x"}, "only one of the three"),
        ("drop", {"site": "SITE"}, "say which dead letters"),
        ("requeue", {"ids": ["absent"]}, "ids: there is no dead letter 'absent'"),
        ("drop", {"ids": ["absent"]}, "ids: there is no dead letter 'absent'"),
        ("show", {"id": "absent"}, "id: nothing is known of 'absent'"),
        ("status", {"site": "ship"}, "site: there is no site 'ship'; there is site-"),
        ("dead", {"after": "ship/1"}, "after: 'ship/1' is no letter of this list"),
    ],
)
async def test_what_can_not_be_done_says_what_to_change(harness, site, operation, argument, words):
    asked = {name: site if value == "SITE" else value for name, value in argument.items()}
    with pytest.raises(OperationRejected, match=words):
        await harness.call(operation, asked)


async def test_a_page_behind_what_is_not_in_its_list_says_so(harness, connection, site, other):
    died = dies(connection, site)
    with pytest.raises(OperationRejected, match=r"after: .* is no letter of this list"):
        await harness.call("dead", {"site": other, "after": f"{site}/{died.id}"})
    assert await harness.call("drop", {"ids": [str(died.id)]})
    with pytest.raises(OperationRejected, match=r"after: the letter .* is no longer there"):
        await harness.call("dead", {"after": f"{site}/{died.id}"})


async def test_a_site_whose_redis_refuses_says_so_and_hides_no_other(valkey_url: str, own_valkey: Valkey, site: str):
    with own_valkey.connect() as connection:
        connection.execute_command("ACL", "SETUSER", "poor", "on", ">secret", "+ping", "+hello", "+client", "~*")
    poor = own_valkey.url.replace("://", "://poor:secret@")
    async with Harness(windlass_buffer, settings=settings(poor, site)) as harness:
        [status] = await harness.call("status")
        assert "it refuses" in str(status)


async def test_a_misspelt_field_is_named(harness):
    with pytest.raises(ArgumentInvalid, match="endpiont"):
        await harness.call("requeue", {"endpiont": "orders"})


async def test_what_is_no_entry_can_be_seen_and_dropped_and_never_tried_again(harness, connection, site):
    garbage(connection, site, b"\xff\xfe{")
    garbage(connection, site, b'{"id": 7}')
    dies(connection, site)
    listed = await harness.call("dead")
    assert [each["id"].startswith("unreadable-") for each in listed] == [False, True, True]
    shown = await harness.call("show", {"id": listed[1]["id"]})
    assert (shown["state"], shown["body"], shown["statements"]) == ("dead", '{"id": 7}', None)
    assert await harness.call("requeue", {"all": True}) == {"requeued": 1, "remaining": 0, "unreadable": 2}
    assert await harness.call("drop", {"ids": [listed[2]["id"]]}) == {"dropped": 1, "remaining": 0}
    assert [each["id"] for each in await harness.call("dead")] == [listed[1]["id"]]


async def test_letters_come_in_pages_over_all_sites_the_newest_first(harness, connection, site, other):
    died = [str(dies(connection, name).id) for name in (other, site) for _ in range(5)][::-1]
    found: list[Any] = []
    while page := await harness.call("dead", {"limit": 3, "after": "/".join(found[-1:][0]) if found else ""}):
        found += [(each["site"], each["id"]) for each in page]
        dies(connection, site), "one that comes meanwhile is on none of the pages behind"
    assert [id for _, id in found] == died


async def test_a_letter_is_shown_whole(harness, connection, site):
    died = dies(connection, site, endpoint="orders", key="k", traceparent="00-x-y-01", created=5.0)
    shown = await harness.call("show", {"id": str(died.id)})
    told = {name: shown[name] for name in ("site", "state", "error", "attempts", "endpoint", "key", "traceparent")}
    assert told == {
        "site": site,
        "state": "dead",
        "error": "no such table",
        "attempts": 3,
        "endpoint": "orders",
        "key": "k",
        "traceparent": "00-x-y-01",
    }
    assert shown["statements"] == [{"name": "note"}]
    assert shown["created"] == "1970-01-01T00:00:05Z"


async def test_a_transaction_that_waits_and_one_that_is_in_hand_are_shown_too(harness, connection, site):
    waits, taken = entry(), entry()
    for each in (taken, waits):
        submit(connection, site, each)
    keys = Keys(site)
    connection.lmove(keys.queue, keys.taken("d1"), "RIGHT", "LEFT")
    connection.zadd(keys.drainers, {"d1": 1.0})
    for each in (waits, taken):
        shown = await harness.call("show", {"id": str(each.id)})
        assert (shown["state"], shown["statements"]) == ("buffered", [{"name": "note"}])


async def test_gaps_are_listed_until_somebody_has_dealt_with_them(harness, connection, site):
    submit(connection, site, entry(), "1-lost", 12)
    [gap] = await harness.call("gaps")
    told = ("redis", 12, "1-lost", 1, 12)
    assert tuple(gap[name] for name in ("cause", "count", "epoch", "first", "last")) == told
    record(connection, site, [Check("some-id", 0x10, "system", 3, 0.0)], 1.0)
    [status] = await harness.call("status", {"site": site})
    assert (status["gaps"], status["lost"]) == (2, 13)
    failover = (await harness.call("gaps", {"site": site}))[1]
    said = [failover[name] for name in ("cause", "count", "position", "timeline", "ids")]
    assert said == ["failover", 1, "0/10", 3, ["some-id"]]
    assert await harness.call("forget-gaps", {"site": site}) == {"forgotten": 2}
    assert await harness.call("gaps") == []


async def test_redis_that_is_away_is_told_with_the_time_since(own_valkey: Valkey, site: str):
    async with Harness(windlass_buffer, settings=settings(own_valkey.url, site)) as harness:
        with own_valkey.connect() as connection:
            dies(connection, site)
        own_valkey.kill()
        [status] = await harness.call("status")
        assert (status["status"], status["failed_transactions"]) == ("redis away", 0)
        with pytest.raises(OperationRejected, match=rf"site {site}: its Redis does not answer, .*: .*valkey.sock"):
            await harness.call("requeue", {"all": True})
        section = await harness.health()
        assert section is not None
        assert section.summary.startswith("redis away")
        own_valkey.start()
        assert await harness.call("dead") == [], "this one had saved nothing"


async def test_one_that_dies_while_letters_are_counted_makes_none_count_twice(
    connection: redis.Redis, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "PAGE", 2)
    died = [str(dies(connection, site).id) for _ in range(5)][::-1]
    letters = dead_letters.newest_first(connection, Keys(site))
    found = [next(letters).id, next(letters).id]
    dies(connection, site)
    assert found + [letter.id for letter in letters] == died


async def test_redis_that_is_silent_holds_up_neither_the_overview_nor_the_end(own_valkey: Valkey, site: str) -> None:
    async with Harness(windlass_buffer, settings=settings(own_valkey.url, site)) as harness:
        assert (await harness.call("status"))[0]["status"] == "stopped"
        os.kill(own_valkey.pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                section = await harness.health()
        finally:
            os.kill(own_valkey.pid, signal.SIGCONT)
    assert section is not None
    assert section.summary.startswith("redis away")
