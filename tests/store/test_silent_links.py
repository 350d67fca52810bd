"""A link that goes silent without breaking: what waits for an answer is told in time, and goes on over a new one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from windlass.errors import StoreUnavailable
from windlass.store.port import Store
from windlass.store.postgres import connection, hints, open_store

from tests.chaos.proxy import Proxy
from tests.contract.facts import LEASE, ask, claim, ended, held, node_of, said, stored
from tests.waiting import eventually

PATIENCE = 0.4


@pytest.fixture
async def proxy(dsn: str) -> AsyncIterator[Proxy]:
    parts = conninfo_to_dict(dsn)
    made = Proxy(f"{parts['host']}/.s.PGSQL.{parts['port']}")
    await made.start()
    yield made
    made.heal()
    await made.stop()


@pytest.fixture
async def far(dsn: str, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """A store whose connections go through the proxy, and that waits for answers only so long."""
    monkeypatch.setattr(connection, "ANSWER_SECONDS", PATIENCE)
    monkeypatch.setitem(connection.DIALLING, "connect_timeout", 2)
    opened = await open_store(make_conninfo(dsn, host="127.0.0.1", port=proxy.port), connections=2)
    yield opened
    proxy.heal()
    await opened.close()


def test_a_silent_link_is_noticed_within_20_seconds() -> None:
    assert connection.ANSWER_SECONDS <= 20
    assert hints.PROBE_SECONDS + hints.PROBE_ANSWER_SECONDS <= 20


async def test_no_call_waits_for_a_silent_link(far: Store, proxy: Proxy) -> None:
    node = await node_of(far)
    claimed = await held(far, node)
    calls = [
        lambda: far.queue.enqueue_each([]),
        lambda: claim(far, node),
        lambda: far.queue.say(node, [said(claimed)]),
        lambda: far.queue.finish(node, [ended(claimed)]),
        lambda: ask(far, claimed.id),
        lambda: stored(far),
    ]
    for call in calls[:4]:
        proxy.heal()
        await call()
    proxy.freeze()
    began = time.monotonic()
    answers = await asyncio.gather(*(call() for call in calls), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailable] * len(calls)
    assert time.monotonic() - began < 15, "the pool's own patience is 10 s"


async def test_after_a_silence_calls_go_over_new_connections(far: Store, proxy: Proxy) -> None:
    await stored(far)
    proxy.freeze()
    with pytest.raises(StoreUnavailable):
        await far.queue.enqueue_each([])
    proxy.heal()

    async def works() -> bool:
        try:
            return len(await stored(far)) == 1
        except StoreUnavailable:
            return False

    await eventually(works, within=15)


async def test_a_heartbeat_gives_a_silent_link_up_while_the_lease_can_be_kept(far: Store, proxy: Proxy) -> None:
    node = await node_of(far)
    assert await asyncio.to_thread(far.cluster.renew, node, LEASE)
    proxy.freeze()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(far.cluster.renew, node, 2.0)
    assert time.monotonic() - began < 1.0
    proxy.heal()
    assert await asyncio.to_thread(far.cluster.renew, node, LEASE)


async def test_a_listener_on_a_silent_link_listens_anew(
    far: Store, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PROBE_SECONDS", "PROBE_ANSWER_SECONDS", "RETRY_SECONDS"):
        monkeypatch.setattr(hints, name, 0.1)
    words = far.hints()
    assert await anext(words) == ""
    proxy.freeze()
    again = asyncio.ensure_future(anext(words))
    await asyncio.wait((again,), timeout=1.0)
    proxy.heal()
    assert await asyncio.wait_for(again, 10) == "", "a new connection looks at everything once"
