"""GetOverview and WatchOverview: the panel, once or as it changes."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from windlass.control.overview import SCOPES_AT_ONCE, OverviewServicer
from windlass.core.access import Role
from windlass.store.lanes import Entrant
from windlass.store.port import Store
from windlass_proto.v1 import overview_pb2
from windlass_proto.v1 import overview_service_pb2 as pb

from tests.control.calling import DEADLINE, TOKEN, Calling, State, calling, refused
from tests.waiting import eventually

Picture = overview_pb2.Picture
HOUR = Duration(seconds=3600)


async def picture(server: Calling) -> Picture:
    return await server.overview.GetOverview(pb.GetOverviewRequest(), timeout=DEADLINE)


async def once(server: Calling, summary: str) -> Picture:
    """The picture as soon as it says so."""

    async def look() -> Picture | None:
        found = await picture(server)
        return found if found.summary == summary else None

    found = await eventually(look)
    assert found is not None
    return found


def watch(server: Calling, interval: Duration | None = None) -> Any:
    return server.overview.WatchOverview(pb.WatchOverviewRequest(interval=interval), timeout=DEADLINE)


async def running(server: Calling, **task: str) -> str:
    name = await server.enqueue("Wait", **task)
    await server.at(name, State.STATE_RUNNING)
    return name


def usual(found: Any) -> Any:
    [pool] = [pool for pool in found.pools if pool.name == "pools/default"]
    return pool


async def test_idle_is_an_answer(server: Calling) -> None:
    found = await picture(server)
    assert (found.is_idle, found.summary) == (True, "nothing running, nothing pending")
    pools = {pool.name: pool for pool in found.pools}
    for name, slots in {"default": 40, "maintenance": 1, "bulk": 4}.items():
        pool = pools[f"pools/{name}"]
        assert (pool.slots, pool.in_use, pool.waiting, pool.HasField("oldest_wait")) == (slots, 0, 0, False)
    assert (found.live_nodes, len(found.signals), len(found.active)) == (1, 0, 0)
    assert abs(found.time.ToNanoseconds() - (await picture(server)).time.ToNanoseconds()) < 5e9


async def test_an_active_task_shows_name_trigger_stage_start_and_node(server: Calling) -> None:
    name = await running(server, title="copy the feeds", trigger="operator")
    found = await once(server, "1 running, nothing pending")
    [task] = found.active
    assert (task.name, task.title, task.trigger, task.kind) == (name, "copy the feeds", "operator", "Wait")
    assert task.state == State.STATE_RUNNING
    assert task.node
    assert task.HasField("start_time")
    assert (found.active_count, found.is_idle, usual(found).in_use) == (1, False, 1)

    async def staged() -> bool:
        return (await picture(server)).active[0].stage == "waiting"

    await eventually(staged)


async def test_what_waits_is_shown_by_why_it_waits(server: Calling) -> None:
    name = await running(server)
    await server.kernel.valves.pause_pool("default", "ada", "a move")
    await server.enqueue()
    await server.enqueue(after=[name])
    due = (await server.get(name)).create_time
    due.seconds += 3_600
    await server.enqueue(due_time=due)
    found = await once(server, "1 running, 1 waiting, 1 not due yet, 1 blocked")
    pool = usual(found)
    assert (pool.waiting, found.deferred, found.blocked, pool.is_more) == (1, 1, 1, False)
    assert pool.HasField("oldest_wait")
    assert (pool.pause.by, pool.pause.reason, pool.pause.HasField("time")) == ("ada", "a move", True)


async def test_coalescing_work_says_how_many_joined(server: Calling) -> None:
    await server.kernel.valves.pause_pool("default", "ada", "")
    first = await server.enqueue(coalesce_key="feeds", title="refresh")
    for _ in range(3):
        assert await server.enqueue(coalesce_key="feeds") == first
    found = await once(server, "nothing running, 1 waiting")
    [one] = found.coalescing
    assert (one.task, one.kind, one.key, one.title, one.joined) == (first, "Echo", "feeds", "refresh", 3)
    assert (one.state, found.coalescing_count, one.HasField("create_time")) == (State.STATE_PENDING, 1, True)


async def test_lanes_with_holder_and_waiters_are_shown(server: Calling) -> None:
    first, second = await running(server), await running(server)
    node = server.kernel.node._epoch
    assert node is not None
    for name in (first, second):
        await server.kernel._store.lanes.enter(Entrant("pages", int(name.removeprefix("tasks/")), 1, node))
    found = await once(server, "2 running, nothing pending")
    [lane] = found.lanes
    assert (lane.name, lane.fence, lane.holder.task, lane.holder.attempt) == ("lanes/pages", 1, first, 1)
    assert [waiter.task for waiter in lane.waiters] == [second]
    assert lane.holder.node
    assert lane.holder.HasField("since")


async def test_what_was_counted_is_in_it(server: Calling) -> None:
    for name in [await server.enqueue() for _ in range(3)] + [await server.enqueue(payload={"fail": 1})]:
        await server.ended(name)

    async def counted() -> bool:
        counts = (await picture(server)).counts
        return (counts.enqueued, counts.claimed, counts.succeeded, counts.failed) == (4, 4, 3, 1)

    await eventually(counted)


async def test_a_signal_says_what_since_when_and_what_to_check(server: Calling) -> None:
    server.kernel.overview.thresholds = type(server.kernel.overview.thresholds)(in_a_row=3)
    for _ in range(3):
        await server.ended(await server.enqueue(payload={"fail": 1}))

    async def signalled() -> overview_pb2.HealthSignal | None:
        return next(iter((await picture(server)).signals), None)

    signal = await eventually(signalled)
    assert signal is not None
    assert (signal.name, signal.severity) == ("kind-keeps-failing", overview_pb2.HealthSignal.SEVERITY_WARNING)
    assert list(signal.subjects) == ["kinds/Echo"]
    assert signal.summary == "the last 3 tasks of kind Echo failed"
    assert signal.checks[0].startswith("the log of kind Echo")
    assert signal.HasField("since")


async def test_a_watcher_is_sent_the_picture_and_each_change(server: Calling) -> None:
    stream = watch(server)
    assert (await stream.read()).is_idle
    name = await server.enqueue("Wait")
    seen = await stream.read()
    while not seen.active_count:
        seen = await stream.read()
    assert seen.active[0].name == name
    server.wait.gate.set()
    while not seen.is_idle:
        seen = await stream.read()
    stream.cancel()


async def test_watchers_that_go_away_free_their_handlers(server: Calling) -> None:
    streams = [watch(server) for _ in range(20)]
    for stream in streams:
        await stream.read()
    assert server.kernel.overview.watchers == 20
    for stream in streams[:10]:
        stream.cancel()
    await eventually(lambda: server.kernel.overview.watchers == 10)
    for stream in streams:
        stream.cancel()
    await eventually(lambda: server.kernel.overview.watchers == 0)


async def test_a_client_whose_connection_is_gone_frees_its_handler(server: Calling) -> None:
    async with server.holder(TOKEN) as other:
        await watch(other).read()
        assert server.kernel.overview.watchers == 1
    await eventually(lambda: server.kernel.overview.watchers == 0)


async def test_a_watch_ends_at_its_deadline_and_is_freed(server: Calling) -> None:
    stream = server.overview.WatchOverview(pb.WatchOverviewRequest(interval=HOUR), timeout=0.3)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        [one async for one in stream]
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await eventually(lambda: server.kernel.overview.watchers == 0)


@pytest.mark.parametrize("interval", [Duration(seconds=2**62)], ids=["far"])
async def test_an_interval_that_is_none_is_refused(server: Calling, interval: Duration) -> None:
    refusal = await refused(watch(server, interval).read())
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "interval")
    assert server.kernel.overview.watchers == 0


SHORT = [(None, 1.0), (Duration(seconds=-5), 0.5), (Duration(nanos=1), 0.5)]


@pytest.mark.parametrize(("interval", "means"), SHORT, ids=["none", "negative", "short"])
async def test_no_interval_means_a_second_and_a_short_one_half_of_it(
    server: Calling, interval: Duration | None, means: float
) -> None:
    stream = watch(server, interval)
    loop = asyncio.get_running_loop()
    await stream.read()
    began = loop.time()
    await server.enqueue("Wait")
    await stream.read()
    assert means / 2 < loop.time() - began < means + 0.45
    stream.cancel()


async def test_a_token_for_some_pools_shows_these_only(dsn: str, store: Store) -> None:
    async with calling(dsn, store, pools={"default": 4, "feeds": 2}) as server:
        name = await running(server)
        feed = await running(server, pool="feeds")
        await once(server, "2 running, nothing pending")
        _, secret = await server.token(Role.VIEWER, "feeds")
        async with server.holder(secret) as scoped:
            seen = await picture(scoped)
            assert [pool.name for pool in seen.pools] == ["pools/feeds"]
            assert ([task.name for task in seen.active], seen.active_count) == ([feed], 1)
            assert name not in str(seen)
            stream = watch(scoped)
            assert [task.name for task in (await stream.read()).active] == [feed]
            stream.cancel()
        await eventually(lambda: server.kernel.overview.watchers == 0)


async def test_a_picture_becomes_a_message_once_for_all_who_get_it(server: Calling) -> None:
    servicer = OverviewServicer(server.kernel)
    drawn = await server.kernel.overview.picture()
    nobody = frozenset[str]()
    assert servicer._message(drawn, nobody) is servicer._message(drawn, nobody)
    for n in range(3 * SCOPES_AT_ONCE):
        servicer._message(drawn, frozenset({str(n)}))
    assert len(servicer._last) <= SCOPES_AT_ONCE
