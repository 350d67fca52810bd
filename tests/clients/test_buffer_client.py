"""Both clients against a real Valkey: they speak the same words, so each test runs with both."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
import redis
from windlass_buffer_client import (
    BadEntry,
    BadName,
    BufferClient,
    BufferFull,
    EntryTooLarge,
    Record,
    Statement,
    SyncBufferClient,
    TransactionDead,
    UnknownTransaction,
    WaitTimeout,
)
from windlass_buffer_client.envelope import decode
from windlass_buffer_client.ledger import Applied, Ledger

from tests.waiting import eventually

ADD = [Statement("add_order", parameters={"item": 7})]
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class InThread:
    """A SyncBufferClient whose calls run in a thread, so that tests may await them like those of the other."""

    def __init__(self, client: SyncBufferClient) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return lambda *given, **named: asyncio.to_thread(getattr(self._client, name), *given, **named)


@pytest.fixture(params=["async", "sync"])
async def connect(request, valkey_url, site) -> AsyncIterator[Any]:
    """Makes clients of the kind under test."""
    made: list[Any] = []

    def connect(**options):
        kind = BufferClient if request.param == "async" else SyncBufferClient
        made.append(kind(valkey_url, site, **options))
        return made[-1] if request.param == "async" else InThread(made[-1])

    yield connect
    for client in made:
        closed = client.close()
        if inspect.isawaitable(closed):
            await closed


@pytest.fixture
def buffer(connect):
    return connect()


@pytest.fixture
def ledger(valkey_url, site):
    with redis.Redis.from_url(valkey_url) as connection:
        yield Ledger(connection, site)


def waiting(ledger):
    """Every entry in the queue, oldest first."""
    return [decode(each) for each in reversed(ledger._redis.lrange(ledger.keys.queue, 0, -1))]


def apply(ledger):
    """What a drainer does with the oldest entry."""
    raw = ledger._redis.rpop(ledger.keys.queue)
    ledger.applied([Applied(decode(raw), "0/10", "7", 1)])


def calls(ledger):
    """How many scripts the server has run."""
    return ledger._redis.info("commandstats")["cmdstat_evalsha"]["calls"]


def listeners(ledger, id):
    """How many wait for news of a transaction."""
    return ledger._redis.pubsub_numsub(ledger.keys.said(id))[0][1]


# --- submitting


async def test_what_is_submitted_waits_in_order_and_its_status_is_known(buffer, ledger):
    receipts = [await buffer.submit("POST /orders", ADD, key="ada", traceparent=PARENT) for _ in range(3)]
    assert [(each.seq, each.depth, each.is_new) for each in receipts] == [(n, n, True) for n in (1, 2, 3)]
    found = waiting(ledger)
    assert [each.id for each in found] == [each.id for each in receipts]
    assert (found[0].endpoint, found[0].key, found[0].traceparent) == ("POST /orders", "ada", PARENT)
    assert found[0].statements == ADD
    status = await buffer.status(str(receipts[0].id))
    assert (status.state, status.seq, status.is_applied) == ("buffered", 1, False)


async def test_the_same_id_is_taken_once(buffer, ledger):
    id = uuid4()
    first = await buffer.submit("tests", ADD, id=id)
    again = await buffer.submit("tests", ADD, id=str(id))
    assert (first.is_new, again.is_new, first.seq == again.seq, again.epoch) == (True, False, True, first.epoch)
    assert len(waiting(ledger)) == 1


async def test_a_full_buffer_says_how_full_it_is_and_takes_nothing(connect, ledger):
    buffer = connect(limit=2)
    for _ in range(2):
        await buffer.submit("tests", ADD)
    with pytest.raises(BufferFull, match=r"2 transactions wait, and 2 may.*wait=<seconds>") as refused:
        await buffer.submit("tests", ADD, wait=0.02)
    assert (refused.value.depth, refused.value.limit, len(waiting(ledger))) == (2, 2, 2)


async def test_a_submit_that_waits_is_taken_once_there_is_room(connect, ledger):
    buffer = connect(limit=1)
    await buffer.submit("tests", ADD)
    before = calls(ledger)
    second = asyncio.create_task(buffer.submit("tests", ADD, wait=30))
    await eventually(lambda: calls(ledger) > before + 1)  # it was refused, and asks again
    apply(ledger)
    assert (await second).seq == 2


async def test_the_limit_is_the_one_of_the_environment(connect, monkeypatch):
    monkeypatch.setenv("TRANSACTION_BUFFER_SIZE", "1")
    buffer = connect()
    await buffer.submit("tests", ADD)
    with pytest.raises(BufferFull):
        await buffer.submit("tests", ADD)


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"endpoint": ""}, BadEntry, "`endpoint` is empty"),
        ({"statements": []}, BadEntry, "`statements` is empty"),
        ({"statements": [Statement("a", after=["b"])]}, BadEntry, r"statements\[0\]\.after: there is no earlier .*'b'"),
        ({"statements": [Statement("a", id="x"), Statement("b", id="x")]}, BadEntry, r"statements\[1\]\.id: 'x'"),
        ({"statements": [Statement("a", parameters={"x": object()})]}, BadEntry, "written as JSON.*object"),
        ({"statements": [Statement("a", parameters={"x": "y" * 300_000})]}, EntryTooLarge, "262,144 are allowed"),
        ({"traceparent": "00-0-0-0"}, BadEntry, "traceparent: '00-0-0-0'"),
        ({"id": "x"}, BadName, "id 'x' is no UUID"),
    ],
)
async def test_what_cannot_be_taken_is_refused_with_the_field_that_is_wrong(buffer, ledger, given, error, words):
    with pytest.raises(error, match=words):
        await buffer.submit(**{"endpoint": "tests", "statements": ADD} | given)
    assert waiting(ledger) == []


# --- status and waiting


async def test_nothing_is_known_of_an_id_that_was_never_submitted(buffer):
    for look in (buffer.status, buffer.wait_for):
        with pytest.raises(UnknownTransaction, match="never submitted here, or its status has expired"):
            await look(UUID(int=1))


async def test_waiting_ends_at_once_when_it_is_there_and_as_soon_as_it_is_otherwise(buffer, ledger, monkeypatch):
    monkeypatch.setattr("windlass_buffer_client.conversation.LOOK_EVERY", 60)
    receipt = await buffer.submit("tests", ADD)
    under_way = asyncio.create_task(buffer.wait_for(receipt.id, timeout=50))
    await eventually(lambda: listeners(ledger, receipt.id))
    assert not under_way.done()
    apply(ledger)
    assert (await asyncio.wait_for(under_way, 10)).lsn == "0/10"
    assert (await buffer.wait_for(receipt.id, timeout=0)).state == "applied"


async def test_a_waiter_that_heard_nothing_looks_all_the_same(buffer, ledger, monkeypatch):
    monkeypatch.setattr("windlass_buffer_client.conversation.LOOK_EVERY", 0.05)
    receipt = await buffer.submit("tests", ADD)
    under_way = asyncio.create_task(buffer.wait_for(receipt.id, timeout=30))
    await eventually(lambda: listeners(ledger, receipt.id))
    ledger._redis.hset(ledger.keys.transaction(receipt.id), "state", "applied")
    assert (await asyncio.wait_for(under_way, 10)).is_applied


async def test_waiting_for_replicas_goes_on_after_the_main_database_has_it(buffer, ledger):
    receipt = await buffer.submit("tests", ADD)
    apply(ledger)
    with pytest.raises(WaitTimeout, match=r"not replicated within 0\.01 s, it is applied: .*") as late:
        await buffer.wait_for(receipt.id, until="replicated", timeout=0.01)
    assert late.value.state == "applied"
    under_way = asyncio.create_task(buffer.wait_for(receipt.id, until="replicated", timeout=50))
    await asyncio.sleep(0)
    ledger.replicated([receipt.id])
    assert (await under_way).state == "replicated"


async def test_waiting_for_a_transaction_that_died_says_why(buffer, ledger):
    receipt = await buffer.submit("tests", ADD)
    raw = ledger._redis.rpop(ledger.keys.queue)
    ledger.dead(raw, "no such item", 3, entry=decode(raw))
    with pytest.raises(TransactionDead, match=f"{receipt.id} failed for good: no such item"):
        await buffer.wait_for(receipt.id, timeout=0)


async def test_a_replica_nobody_named_is_refused(connect):
    buffer = connect(replicas={"eu": "host=eu"})
    with pytest.raises(BadName, match=r"replica 'us' is neither a DSN nor .*known: eu"):
        await buffer.wait_for(uuid4(), replica="us")


# --- reading


async def test_the_read_buffer_comes_before_the_cache_before_the_database(buffer, ledger):
    async def read():
        found = await buffer.read("people", "1", database=lambda: {"name": "old"})
        return found.data["name"], found.origin

    assert await read() == ("old", "database")
    await buffer.submit("tests", ADD, records=[Record("people", "1", {"name": "Ada"})])
    assert await read() == ("Ada", "buffer")
    apply(ledger)
    assert await read() == ("Ada", "cache")
    await buffer.submit("tests", ADD, records=[Record("people", "1", {"name": "Grace"})])
    assert await read() == ("Grace", "buffer")
    apply(ledger)
    ledger.replicated(ledger.pending())
    assert await read() == ("old", "database")


async def test_what_was_deleted_is_gone_whatever_the_database_says(buffer, ledger):
    await buffer.submit("tests", ADD, records=[Record("people", "1", deleted=True)])
    for origin in ("buffer", "cache"):
        found = await buffer.read("people", "1", database=lambda: {"name": "old"})
        assert (found.deleted, found.data, found.origin) == (True, None, origin)
        assert await buffer.list("people", [{"id": "1"}]) == []
        if origin == "buffer":
            apply(ledger)


async def test_nothing_is_found_where_nothing_is(buffer):
    assert await buffer.read("people", "1") is None
    assert await buffer.read("people", "1", database=lambda: None) is None
    assert await buffer.list("people") == []


async def test_a_list_has_each_record_once_and_the_newest_of_it(buffer, ledger):
    for id, name in (("1", "cached"), ("2", "cached"), ("4", "cached")):
        await buffer.submit("tests", ADD, records=[Record("people", id, {"name": name})])
        apply(ledger)
    for id in ("2", "5"):
        await buffer.submit("tests", ADD, records=[Record("people", id, {"name": "buffered"})])
    rows = [{"id": id, "name": "stored"} for id in (3, 2, 1, 1)]
    found = await buffer.list("people", lambda: rows)
    assert [(each.id, each.data["name"], each.origin) for each in found] == [
        ("3", "stored", "database"),
        ("2", "buffered", "buffer"),
        ("1", "cached", "cache"),
        ("4", "cached", "cache"),
        ("5", "buffered", "buffer"),
    ]
    by_name = await buffer.list("orders", lambda: [("x", 1)], id=lambda row: row[1])
    assert by_name[0].id == "1"


async def test_the_database_is_asked_after_redis_so_that_nothing_falls_between(buffer, ledger):
    await buffer.submit("tests", ADD, records=[Record("people", "1", {"name": "Ada"})])

    def database():
        # It was read a moment too early, and then everything happens that can: applied, replicated, out of the cache.
        apply(ledger)
        ledger.replicated(ledger.pending())
        return []

    assert [each.data["name"] for each in await buffer.list("people", database)] == ["Ada"]


async def test_what_a_database_function_raises_reaches_the_caller(buffer):
    def database():
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        await buffer.read("people", "1", database=database)


async def test_an_async_function_may_be_the_database(valkey_url, site):
    async def database():
        return [{"id": "1"}]

    async with BufferClient(valkey_url, site) as buffer:
        assert [each.id for each in await buffer.list("people", database)] == ["1"]
