"""Cancelled calls, signals, servers that fall silent, die or forget: no answer goes astray, and nobody hangs."""

import asyncio
import os
import random
import signal
import threading
import time
from uuid import uuid4

import pytest
import redis
from redis.connection import AbstractConnection
from windlass_buffer_client import BufferClient, BufferUnavailable, Record, Statement, SyncBufferClient
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Ledger

from tests.plugins.checks.servers import forwarding
from tests.waiting import eventually

ADD = [Statement("add_order")]
CALLS = int(os.environ.get("BUFFER_CANCELLATIONS", "4000"))
RECORDS = 50


async def fill(buffer: BufferClient) -> None:
    for number in range(RECORDS):
        await buffer.submit("tests", ADD, records=[Record("people", str(number), number)])


async def test_every_answer_belongs_to_its_question_though_others_are_cancelled_at_any_moment(valkey_url, site):
    chance = random.Random(7)
    counted = {"answered": 0, "cancelled": 0}

    async def ask(buffer: BufferClient, number: int) -> None:
        try:
            found = await buffer.read("people", str(number))
        except asyncio.CancelledError:
            counted["cancelled"] += 1
            raise
        assert found is not None
        assert found.data == number
        counted["answered"] += 1

    async with BufferClient(valkey_url, site) as buffer:
        await fill(buffer)
        for _ in range(CALLS // 40):
            tasks = [asyncio.create_task(ask(buffer, chance.randrange(RECORDS))) for _ in range(40)]
            for task in chance.sample(tasks, 20):
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                assert ended is None or isinstance(ended, asyncio.CancelledError), ended
    assert min(counted.values()) > CALLS / 10, counted


async def test_a_cancelled_submit_is_taken_or_not_and_its_id_tells(valkey_url, site):
    chance = random.Random(7)
    ids = [uuid4() for _ in range(200)]
    async with BufferClient(valkey_url, site) as buffer:
        tasks = [asyncio.create_task(buffer.submit("tests", ADD, id=id)) for id in ids]
        for task in tasks:
            if chance.random() < 0.1:
                await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        again = [await buffer.submit("tests", ADD, id=id) for id in ids]
    with redis.Redis.from_url(valkey_url) as connection:
        assert connection.llen(Keys(site).queue) == len(ids)
    assert sorted(each.seq for each in again) == [*range(1, len(ids) + 1)]


# A signal while redis-py makes a connection leaves its socket to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*socket:pytest.PytestUnraisableExceptionWarning")
def test_a_signal_in_the_middle_of_a_call_leaves_no_answer_behind(valkey_url, site):
    class Interrupted(BaseException):
        pass

    def interrupt(number, frame):
        raise Interrupted

    chance, answered, interrupted = random.Random(7), 0, 0
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with SyncBufferClient(valkey_url, site) as buffer:
            for number in range(RECORDS):
                buffer.submit("tests", ADD, records=[Record("people", str(number), number)])
            while interrupted < CALLS // 20:
                try:
                    signal.setitimer(signal.ITIMER_REAL, chance.uniform(0.0001, 0.008))
                    for _ in range(20):
                        wanted = chance.randrange(RECORDS)
                        found = buffer.read("people", str(wanted))
                        assert found is not None
                        assert found.data == wanted
                        answered += 1
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except Interrupted:
                    interrupted += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert answered > interrupted / 4


def test_a_signal_between_a_command_and_its_answer_closes_the_connection(own_valkey, site, monkeypatch):
    class Interrupted(BaseException):
        pass

    read_response = AbstractConnection.read_response

    def interrupted(*_, **__):
        monkeypatch.setattr(AbstractConnection, "read_response", read_response)
        raise Interrupted  # as a signal does that comes before the reading has begun

    with SyncBufferClient(own_valkey.url, site) as buffer, own_valkey.connect() as connection:
        for number in range(2):
            buffer.submit("tests", ADD, records=[Record("people", str(number), number)])
            assert buffer.read("people", str(number)) is not None
        connection.client_pause(300, all=True)  # so that the answer is not there yet when the next call begins
        monkeypatch.setattr(AbstractConnection, "read_response", interrupted)
        with pytest.raises(Interrupted):
            buffer.read("people", "0")
        found = buffer.read("people", "1")
        assert found is not None
        assert found.data == 1


@pytest.mark.calm
async def test_a_call_that_waits_behind_one_without_an_answer_ends_in_its_own_time(valkey_url, site):
    async with (
        forwarding(valkey_url.removeprefix("unix://")) as served,
        BufferClient(f"redis://127.0.0.1:{served.port}", site, timeout=1.0) as buffer,
    ):
        await buffer.submit("tests", ADD)
        served.is_frozen = True
        sent = len(served.sent)
        first = asyncio.create_task(buffer.submit("tests", ADD))
        await eventually(lambda: len(served.sent) > sent)
        began = time.monotonic()
        with pytest.raises(BufferUnavailable):
            await buffer.submit("tests", ADD)
        assert time.monotonic() - began < 1.5
        await asyncio.gather(first, return_exceptions=True)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_server_that_falls_silent_ends_calls_in_time_and_the_same_id_settles_it(valkey_url, site, kind):
    async with forwarding(valkey_url.removeprefix("unix://")) as served:
        url = f"redis://127.0.0.1:{served.port}"
        async with BufferClient(url, site, timeout=0.3) as buffer:
            sync = SyncBufferClient(url, site, timeout=0.3)

            async def submit(**named):
                if kind == "async":
                    return await buffer.submit("tests", ADD, **named)
                return await asyncio.to_thread(sync.submit, "tests", ADD, **named)

            served.is_frozen = True  # before there is a connection
            with pytest.raises(BufferUnavailable):
                await submit()
            served.is_frozen = False
            first = await submit()
            served.is_frozen = True
            began = time.monotonic()
            with pytest.raises(
                BufferUnavailable, match=r"did not answer within 0\.3 s; whether .* submit it again"
            ) as lost:
                await submit()
            assert time.monotonic() - began < 5
            assert lost.value.id is not None
            served.is_frozen = False
            second = await submit(id=lost.value.id)
            assert second.seq == first.seq + 1
            assert (await submit(id=lost.value.id)).seq == second.seq
            sync.close()


async def test_a_server_that_is_not_there_is_named_and_one_that_comes_back_is_used_again(own_valkey, site):
    async with BufferClient(own_valkey.url, site) as buffer:
        with SyncBufferClient(own_valkey.url, site) as sync:
            await buffer.submit("tests", ADD)
            sync.submit("tests", ADD)
            own_valkey.kill()
            for call in (buffer.submit("tests", ADD), asyncio.to_thread(sync.submit, "tests", ADD)):
                with pytest.raises(BufferUnavailable, match="Redis cannot be reached") as away:
                    await call
                assert away.value.id is not None
            own_valkey.start()
            assert (await buffer.submit("tests", ADD)).is_new
            assert sync.submit("tests", ADD).is_new
            with own_valkey.connect() as connection:
                assert sum(gap.count for gap in Ledger(connection, site).gaps()) == 2


async def test_a_restart_within_a_call_is_waited_out(own_valkey, site):
    async with BufferClient(own_valkey.url, site) as buffer:
        await buffer.submit("tests", ADD)
        own_valkey.kill()
        under_way = asyncio.create_task(buffer.submit("tests", ADD))
        await asyncio.sleep(0)
        restart = threading.Thread(target=own_valkey.start)
        restart.start()
        assert (await under_way).seq == 2
        restart.join()


async def test_a_server_that_forgot_the_scripts_gets_them_again(valkey_url, site):
    async with BufferClient(valkey_url, site) as buffer:
        with SyncBufferClient(valkey_url, site) as sync, redis.Redis.from_url(valkey_url) as connection:
            epochs = set()
            for _ in range(2):
                epochs.add((await buffer.submit("tests", ADD)).epoch)
                connection.script_flush()
                epochs.add(sync.submit("tests", ADD).epoch)
                connection.script_flush()
            many = await asyncio.gather(*(buffer.submit("tests", ADD) for _ in range(32)))
    assert sorted(each.seq for each in many) == [*range(5, 37)]
    assert len(epochs) == 1


async def test_what_can_not_be_sent_is_the_error_of_who_sent_it_alone(valkey_url, site):
    async with BufferClient(valkey_url, site) as buffer:
        await fill(buffer)
        asked = [buffer.read("people", "\ud800" if number == 3 else str(number)) for number in range(6)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [number for number, each in enumerate(found) if isinstance(each, Exception)] == [3]


async def test_what_a_server_refuses_is_told_in_its_words(own_valkey, site):
    with own_valkey.connect() as connection:
        connection.config_set("maxmemory", "1mb")
    async with BufferClient(own_valkey.url, site) as buffer:
        with pytest.raises(BufferUnavailable, match=r"Redis refused: .*maxmemory"):
            await buffer.submit("tests", ADD)


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_a_server_that_became_a_replica_is_left_for_the_one_behind_its_name(own_valkey, site, kind):
    async with BufferClient(own_valkey.url, site) as buffer:
        with SyncBufferClient(own_valkey.url, site) as sync, own_valkey.connect() as connection:

            def submit():
                return buffer.submit("tests", ADD) if kind == "async" else asyncio.to_thread(sync.submit, "tests", ADD)

            await submit()
            clients = connection.info("stats")["total_connections_received"]
            connection.replicaof("127.0.0.1", 1)
            under_way = asyncio.create_task(submit())
            await eventually(lambda: connection.info("stats")["total_connections_received"] > clients)
            connection.replicaof("NO", "ONE")
            assert (await under_way).seq == 2


async def test_a_closed_client_leaves_nobody_waiting(valkey_url, site):
    async with forwarding(valkey_url.removeprefix("unix://")) as served:
        buffer = BufferClient(f"redis://127.0.0.1:{served.port}", site, timeout=60)
        await buffer.submit("tests", ADD)
        served.is_frozen = True
        calls = [asyncio.create_task(buffer.submit("tests", ADD)) for _ in range(3)]
        sent = len(served.sent)
        await eventually(lambda: len(served.sent) > sent)
        await buffer.close()
        for ended in await asyncio.gather(*calls, return_exceptions=True):
            assert isinstance(ended, BufferUnavailable)
        with pytest.raises(BufferUnavailable, match="the client was closed"):
            await buffer.submit("tests", ADD)


async def test_a_client_that_is_closed_before_a_call_has_begun_leaves_nobody_waiting(valkey_url, site):
    buffer = BufferClient(valkey_url, site, timeout=60)
    call = asyncio.create_task(buffer.submit("tests", ADD))
    await asyncio.sleep(0)
    await buffer.close()
    with pytest.raises(BufferUnavailable, match="the client was closed"):
        await asyncio.wait_for(call, 10)
