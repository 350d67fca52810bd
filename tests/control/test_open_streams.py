"""A stream ends when its token does, also when nothing flows, and wherever its handler stands."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import grpc
import pytest
import pytest_asyncio
from windlass.control.open_streams import OpenStreams, _Stream
from windlass.control.server import Limits
from windlass.core.access import Role
from windlass.errors import StoreUnavailable
from windlass.host.access import digest_of
from windlass_proto.v1 import tasks_service_pb2 as tasks

from tests.control.calling import DEADLINE, ROOT, Calling, State, calling, said_by
from tests.waiting import eventually

SOON = 0.1


@pytest_asyncio.fixture
async def quick(dsn: str, store: Any) -> Any:
    """A server that looks at its streams often."""
    async with calling(dsn, store, limits=Limits(recheck=SOON)) as made:
        yield made


async def _watching(server: Calling, holder: Calling) -> tuple[str, Any]:
    name = await server.enqueue("Wait")
    await server.at(name, State.STATE_RUNNING)
    stream = holder.tasks.Watch(tasks.WatchRequest(name=name), timeout=DEADLINE)
    first: Any = await stream.read()
    assert first.state.state == State.STATE_PENDING
    return name, stream


async def _end_of(stream: Any) -> Any:
    async def read_on() -> None:
        while (await stream.read()) is not grpc.aio.EOF:
            pass

    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await read_on()
    return said_by(raised.value)


async def test_a_silent_stream_ends_when_its_token_is_revoked_here(server: Calling) -> None:
    """The look every 15 s is not waited for: the node that revokes rings."""
    token, secret = await server.token(Role.VIEWER)
    async with server.holder(secret) as viewer:
        _, stream = await _watching(server, viewer)
        await server.kernel.access.revoke(token, ROOT)
        refusal = await asyncio.wait_for(_end_of(stream), 5)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_REVOKED")


async def test_a_silent_stream_ends_when_its_token_is_revoked_elsewhere(quick: Calling, store: Any) -> None:
    """Written past this node, so that no hint comes: the look finds it."""
    token, secret = await quick.token(Role.VIEWER)
    async with quick.holder(secret) as viewer:
        _, stream = await _watching(quick, viewer)
        await store.tokens.revoke(token)
        quick.kernel.access._known.clear()  # as its ten seconds would
        refusal = await asyncio.wait_for(_end_of(stream), 5)
    assert refusal.reason == "TOKEN_REVOKED"


async def test_a_stream_ends_when_its_token_expires(quick: Calling) -> None:
    _, secret = await quick.token(Role.VIEWER, ttl=1.0)
    async with quick.holder(secret) as viewer:
        _, stream = await _watching(quick, viewer)
        refusal = await asyncio.wait_for(_end_of(stream), 5)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED")


async def test_a_hint_of_another_node_ends_a_stream_at_once(server: Calling, dsn: str) -> None:
    from windlass.store.postgres import open_store

    token, secret = await server.token(Role.VIEWER)
    other = await open_store(dsn, connections=2)
    async with server.holder(secret) as viewer:
        _, stream = await _watching(server, viewer)
        await other.tokens.revoke(token)
        refusal = await asyncio.wait_for(_end_of(stream), 5)
    await other.close()
    assert refusal.reason == "TOKEN_REVOKED"


async def test_others_streams_go_on(quick: Calling) -> None:
    token, secret = await quick.token(Role.VIEWER)
    async with quick.holder(secret) as viewer:
        _, mine = await _watching(quick, quick)
        await _watching(quick, viewer)
        await quick.kernel.access.revoke(token, ROOT)
        await asyncio.sleep(3 * SOON)
        quick.wait.gate.set()
        events = [event async for event in mine]
    assert events[-1].state.state == State.STATE_COMPLETED


async def test_nothing_is_left_of_streams_that_are_over(server: Calling) -> None:
    streams = [one for one in gc.get_objects() if type(one) is OpenStreams and one._access is server.kernel.access]
    [registry] = streams
    token, secret = await server.token(Role.VIEWER)
    async with server.holder(secret) as viewer:
        _, left = await _watching(server, viewer)
        _, ended = await _watching(server, viewer)
        await eventually(lambda: len(registry) == len(_watch_tasks()) == 2)
        left.cancel()
        await eventually(lambda: len(registry) == 1)
        await server.kernel.access.revoke(token, ROOT)
        await _end_of(ended)
        await eventually(lambda: len(registry) == 0)
        assert registry._open == {}
        await eventually(lambda: not _watch_tasks())


def _watch_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "HandleExceptions[/windlass.v1.Tasks/Watch]"]


async def test_a_reader_that_does_not_read_holds_nothing_either(server: Calling) -> None:
    """Its stream stands in a write; the handler ends all the same."""
    token, secret = await server.token(Role.VIEWER)
    name = await server.enqueue("Echo", {f"{n:05}" + "x" * 90: n for n in range(8_000)})
    await server.ended(name)
    async with server.holder(secret) as viewer:
        stream = viewer.tasks.Watch(tasks.WatchRequest(name=name), timeout=60)
        await stream.read()
        await asyncio.sleep(0.5)
        assert len(_watch_tasks()) == 1, "read to its end, this stream would be over"
        await server.kernel.access.revoke(token, ROOT)
        await eventually(lambda: not _watch_tasks(), within=15)
        stream.cancel()


async def test_a_store_that_is_away_ends_no_stream(server: Calling) -> None:
    class Away:
        def __init__(self) -> None:
            self.bells: set[Any] = set()
            self.asked = 0

        async def verify(self, digest: bytes) -> None:
            self.asked += 1
            raise StoreUnavailable("away")

    away = Away()
    registry = OpenStreams(away, every=0.01)  # type: ignore[arg-type]
    task = asyncio.create_task(asyncio.Event().wait())
    _, secret = await server.token()
    registry._open[digest_of(secret)] = {_Stream(None, task)}
    registry.start()
    await eventually(lambda: away.asked > 3)
    await registry.stop()
    assert not task.done()
    task.cancel()


async def test_the_servers_own_token_is_not_looked_at_again(server: Calling) -> None:
    _, stream = await _watching(server, server)
    server.kernel.access.forget()
    server.wait.gate.set()
    assert [event async for event in stream][-1].state.state == State.STATE_COMPLETED
