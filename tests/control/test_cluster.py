"""The Cluster service: who works, on what, and how much at once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from windlass import Context, Handler, Outcome, Settings, Success, hookimpl
from windlass.config import Config, NodeConfig
from windlass.errors import ConfigError
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.store.facts import NodeFacts
from windlass.store.lanes import Entrant
from windlass.store.pools import KindFacts
from windlass_proto.v1 import cluster_pb2
from windlass_proto.v1 import cluster_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused
from tests.waiting import eventually

NodeState = cluster_pb2.Node.State


async def call(server: Calling, method: str, request: Any) -> Any:
    return await getattr(server.cluster, method)(request, timeout=DEADLINE)


async def nodes(server: Calling) -> list[cluster_pb2.Node]:
    return list((await call(server, "ListNodes", pb.ListNodesRequest())).nodes)


async def kinds(server: Calling) -> dict[str, cluster_pb2.Kind]:
    found = (await call(server, "ListKinds", pb.ListKindsRequest())).kinds
    return {kind.name: kind for kind in found}


# --- server


async def test_a_server_says_what_it_is_and_what_time_it_is(server: Calling) -> None:
    info = await call(server, "GetServerInfo", pb.GetServerInfoRequest())
    assert info.node == (await nodes(server))[0].name == f"nodes/{server.kernel.node.epoch}"
    assert info.version == (await nodes(server))[0].version != ""
    assert info.store.startswith("postgres ")
    assert int(info.store.split()[1].partition(".")[0]) >= 15
    assert timedelta() < datetime.now(UTC) - info.start_time.ToDatetime(UTC) < timedelta(minutes=1)
    offset = info.clock_offset.ToTimedelta()
    assert abs(offset) < timedelta(seconds=5), "it is the same machine"
    assert abs(datetime.now(UTC) - info.store_time.ToDatetime(UTC)) < timedelta(seconds=10)
    assert info.largest_message == 4 * 1024 * 1024
    assert {"drain", "operations", "reload", "schedules"} <= set(info.capabilities)


async def test_a_server_names_its_plugins(server: Calling) -> None:
    info = await call(server, "GetServerInfo", pb.GetServerInfoRequest())
    plugins = {plugin.name: plugin for plugin in info.plugins}
    assert list(plugins["control"].kinds) == ["Echo", "Wait"]
    assert plugins["scripts"].version
    assert [plugin.error for plugin in info.plugins] == [""] * len(plugins)


# --- nodes


async def test_a_node_tells_of_itself(server: Calling) -> None:
    task = await server.enqueue("Wait")
    await server.at(task, State.STATE_RUNNING)

    def usual(node: cluster_pb2.Node) -> Any:
        return next((share for share in node.shares if share.pool == "default"), None)

    async def told() -> cluster_pb2.Node | None:
        [node] = await nodes(server)
        return node if usual(node) and usual(node).in_use else None

    node = await eventually(told)
    assert node is not None
    assert (node.state, node.is_leader, node.running) == (NodeState.STATE_LIVE, True, 1)
    assert node.display_name == server.kernel.node._surroundings.this_process(()).name
    assert {"Echo", "Wait"} <= set(node.kinds)
    assert (usual(node).slots, usual(node).in_use) == (40, 1)
    times = [at.ToDatetime(UTC) for at in (node.join_time, node.renew_time, node.expire_time)]
    assert times == sorted(times)


async def test_a_node_is_drained_and_resumed(server: Calling) -> None:
    [node] = await nodes(server)
    drained = await call(server, "DrainNode", pb.DrainNodeRequest(name=node.name, reason="new disks"))
    assert (drained.name, drained.state) == (node.name, NodeState.STATE_DRAINING)
    await eventually(lambda: server.kernel.node._is_drained)
    task = await server.enqueue()
    assert (await nodes(server))[0].state == NodeState.STATE_DRAINING
    assert (await server.get(task)).state == State.STATE_PENDING
    resumed = await call(server, "ResumeNode", pb.ResumeNodeRequest(name=node.name))
    assert resumed.state == NodeState.STATE_LIVE
    assert (await server.ended(task)).state == State.STATE_COMPLETED
    assert await server.audited() == [("DrainNode", node.name), ("ResumeNode", node.name)]
    assert [entry.note.reason for entry in (await server.kernel._store.audit.entries(9)).items] == ["", "new disks"]


async def test_a_node_that_is_gone_is_not_drained(server: Calling) -> None:
    cluster = server.kernel._store.cluster
    gone = await cluster.join(NodeFacts("host/2", "m", 2, 1, ()), 30.0)
    await cluster.leave(gone)
    assert [node.state for node in await nodes(server)] == [NodeState.STATE_LIVE, NodeState.STATE_LEFT]
    for method, request in (("DrainNode", pb.DrainNodeRequest), ("ResumeNode", pb.ResumeNodeRequest)):
        refusal = await refused(call(server, method, request(name=f"nodes/{gone}")))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NODE_GONE")
        refusal = await refused(call(server, method, request(name="nodes/4711")))
        assert (refusal.code, refusal.facts) == (grpc.StatusCode.NOT_FOUND, {"node": "4711"})
    assert await server.audited() == []


# --- pools


async def test_a_pool_says_what_runs_and_what_waits(server: Calling) -> None:
    await call(server, "ResizePool", pb.ResizePoolRequest(name="pools/default", slots=2, reason="small"))
    slots = {dispatcher.pool: dispatcher for dispatcher in server.kernel.node.dispatchers}
    await eventually(lambda: slots["default"].slots == 2)
    for _ in range(2):
        await server.at(await server.enqueue("Wait"), State.STATE_RUNNING)
    for priority in (1, 9, 20):
        await server.enqueue("Wait", priority=priority)

    async def settled() -> cluster_pb2.Pool | None:
        pools = (await call(server, "ListPools", pb.ListPoolsRequest())).pools
        found = next(pool for pool in pools if pool.name == "pools/default")
        return found if found.in_use == 2 and found.waiting == 3 else None

    pool = await eventually(settled)
    assert pool is not None
    assert (pool.name, pool.slots, pool.is_more, pool.HasField("pause")) == ("pools/default", 2, False, False)
    assert pool.oldest_wait.ToTimedelta() > timedelta()
    assert (await call(server, "GetPool", pb.GetPoolRequest(name="pools/default"))).waiting == 3
    server.wait.gate.set()


async def test_a_pool_is_resized_paused_and_resumed_and_each_answer_shows_it(server: Calling) -> None:
    name = "pools/default"
    resized = await call(server, "ResizePool", pb.ResizePoolRequest(name=name, slots=7))
    assert resized.slots == 7
    paused = await call(server, "PausePool", pb.PausePoolRequest(name=name, reason="moving house"))
    entry = (await server.kernel._store.audit.entries(1)).items[0]
    assert (paused.pause.by, paused.pause.reason) == (entry.note.subject, "moving house")
    assert abs(datetime.now(UTC) - paused.pause.time.ToDatetime(UTC)) < timedelta(minutes=1)
    task = await server.enqueue()
    explained = await server.kernel.explain(int(task.removeprefix("tasks/")))
    assert [gate.kind.name for gate in explained] == ["POOL_PAUSED"]
    resumed = await call(server, "ResumePool", pb.ResumePoolRequest(name=name))
    assert not resumed.HasField("pause")
    await server.ended(task)
    assert not resumed.HasField("oldest_wait") or resumed.waiting
    assert await server.audited() == [(verb, name) for verb in ("ResizePool", "PausePool", "ResumePool")]


# --- kinds


async def test_a_kind_says_what_it_takes_and_how_it_is_run(server: Calling) -> None:
    found = await kinds(server)
    assert list(found) == sorted(found)
    echo = found["kinds/Echo"]
    assert echo.description == "Says what it was given, and fails when that holds the key `fail`."
    schema = json.loads(echo.payload_schema.data)
    assert (schema["type"], schema["additionalProperties"]) == ("object", {"type": "integer"})
    assert echo.payload_schema.content_type == "application/json"
    assert (echo.pool, echo.executor, echo.plugin, echo.nodes) == ("default", "inline", "control", 1)
    assert (echo.retry.attempts, echo.retry.pause.seconds) == (10, 30)
    script = found["kinds/ExecuteScript"]
    assert script.plugin == "scripts"
    assert "$ref" in json.loads(script.payload_schema.data) or script.payload_schema.data
    assert await call(server, "GetKind", pb.GetKindRequest(name="kinds/Echo")) == echo


async def test_a_kind_that_this_server_has_no_handler_for_is_listed_without_one(server: Calling) -> None:
    await server.kernel._store.pools.register({}, [KindFacts("Far", "default", 3, 1.0)])
    far = (await kinds(server))["kinds/Far"]
    assert (far.nodes, far.retry.attempts, far.HasField("payload_schema")) == (0, 3, False)
    assert (far.description, far.executor, far.plugin) == ("", "", "")


async def test_a_kind_is_paused_and_resumed_and_each_answer_shows_it(server: Calling) -> None:
    name = "kinds/Echo"
    paused = await call(server, "PauseKind", pb.PauseKindRequest(name=name, reason="it is loud"))
    assert (paused.pause.reason, paused.pause.by != "") == ("it is loud", True)
    task = await server.enqueue()
    assert (await kinds(server))[name].pause == paused.pause
    resumed = await call(server, "ResumeKind", pb.ResumeKindRequest(name=name))
    assert not resumed.HasField("pause")
    await server.ended(task)
    assert await server.audited() == [("PauseKind", name), ("ResumeKind", name)]


# --- lanes


async def test_lanes_come_a_page_at_a_time(server: Calling) -> None:
    name = await server.enqueue("Wait")
    await server.at(name, State.STATE_RUNNING)
    id_ = int(name.removeprefix("tasks/"))
    assert server.kernel.node.epoch is not None
    for lane in ("a", "b", "c"):
        await server.kernel._store.lanes.enter(Entrant(lane, id_, 1, server.kernel.node.epoch))
    first = await call(server, "ListLanes", pb.ListLanesRequest(page_size=2))
    rest = await call(server, "ListLanes", pb.ListLanesRequest(page_size=2, page_token=first.next_page_token))
    assert [[lane.name for lane in page.lanes] for page in (first, rest)] == [["lanes/a", "lanes/b"], ["lanes/c"]]
    assert (bool(first.next_page_token), rest.next_page_token) == (True, "")
    server.wait.gate.set()
    await server.ended(name)


async def test_a_lane_says_who_has_it_and_who_waits(server: Calling) -> None:
    names = [await server.enqueue("Wait") for _ in range(2)]
    for name in names:
        await server.at(name, State.STATE_RUNNING)
    ids = [int(name.removeprefix("tasks/")) for name in names]
    assert server.kernel.node.epoch is not None
    for id_ in ids:
        await server.kernel._store.lanes.enter(Entrant("entities", id_, 1, server.kernel.node.epoch))
    [lane] = (await call(server, "ListLanes", pb.ListLanesRequest())).lanes
    assert (lane.name, lane.fence, lane.holder.task, lane.holder.attempt) == ("lanes/entities", 1, names[0], 1)
    assert [waiter.task for waiter in lane.waiters] == [names[1]]
    assert lane.holder.node == (await nodes(server))[0].display_name
    server.wait.gate.set()
    await server.ended(names[0])
    await server.ended(names[1])
    [lane] = (await call(server, "ListLanes", pb.ListLanesRequest())).lanes
    assert (lane.fence, lane.HasField("holder"), list(lane.waiters)) == (1, False, [])


# --- errors


@pytest.mark.parametrize(
    ("method", "request_", "code", "said"),
    [
        ("GetPool", pb.GetPoolRequest(name="pools/no"), grpc.StatusCode.NOT_FOUND, "there is no pool 'no'"),
        ("ResizePool", pb.ResizePoolRequest(name="pools/no"), grpc.StatusCode.NOT_FOUND, "there is no pool 'no'"),
        ("PausePool", pb.PausePoolRequest(name="pools/no"), grpc.StatusCode.NOT_FOUND, "there is no pool 'no'"),
        ("ResumePool", pb.ResumePoolRequest(name="pools/no"), grpc.StatusCode.NOT_FOUND, "there is no pool 'no'"),
        ("GetKind", pb.GetKindRequest(name="kinds/No"), grpc.StatusCode.NOT_FOUND, "kind 'No'"),
        ("PauseKind", pb.PauseKindRequest(name="kinds/No"), grpc.StatusCode.NOT_FOUND, "kind 'No'"),
        ("ResumeKind", pb.ResumeKindRequest(name="kinds/No"), grpc.StatusCode.NOT_FOUND, "kind 'No'"),
        ("GetPool", pb.GetPoolRequest(name="default"), grpc.StatusCode.INVALID_ARGUMENT, "name"),
        ("GetKind", pb.GetKindRequest(name="kinds/"), grpc.StatusCode.INVALID_ARGUMENT, "name"),
        ("DrainNode", pb.DrainNodeRequest(name="nodes/one"), grpc.StatusCode.INVALID_ARGUMENT, "name"),
        (
            "DrainNode",
            pb.DrainNodeRequest(name="nodes/1", reason="x" * 501),
            grpc.StatusCode.INVALID_ARGUMENT,
            "reason",
        ),
        (
            "ResizePool",
            pb.ResizePoolRequest(name="pools/default", slots=-1),
            grpc.StatusCode.INVALID_ARGUMENT,
            "slots must be from 0 to 100000, not -1",
        ),
        (
            "ResizePool",
            pb.ResizePoolRequest(name="pools/default", slots=100_001),
            grpc.StatusCode.INVALID_ARGUMENT,
            "slots",
        ),
    ],
)
async def test_what_can_not_be_is_refused_and_not_audited(
    server: Calling, method: str, request_: Any, code: grpc.StatusCode, said: str
) -> None:
    refusal = await refused(call(server, method, request_))
    assert refusal.code is code
    assert said in refusal.message
    assert (code is grpc.StatusCode.INVALID_ARGUMENT) == bool(refusal.field)
    assert await server.audited() == []


class Odd(Handler[dict[str, int]]):
    kind = "Odd"

    async def run(self, ctx: Context, payload: dict[str, int]) -> Outcome:
        return Success()


class Undocumented:
    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> list[Handler[Any]]:
        return [Odd()]


async def test_a_handler_without_words_of_its_own_has_no_description(store: Any) -> None:
    kernel = Kernel(store, load_plugins({}, {"odd": Undocumented()}, installed=False), NodeConfig())
    await store.pools.register({"default": 1}, [KindFacts("Odd", "default", 3, 1.0)])
    card = await kernel.roster.kind("Odd")
    assert (card.description, card.plugin, card.executor) == ("", "odd", "inline")


# --- reload


async def test_a_reload_says_what_changed_and_what_waits(server: Calling) -> None:
    read = [Config(home="/h", node=NodeConfig(pools={"default": 40}, drain_grace=0.2))]
    server.kernel.rereads(read[0], lambda: read[-1], lambda _: None)
    read.append(Config(home="/h", node=NodeConfig(pools={"default": 9}, drain_grace=0.2, renew=1.0)))
    done = await call(server, "Reload", pb.ReloadRequest(reason="fewer"))
    assert (list(done.changed), list(done.waiting_for_restart)) == (["node.pools.default"], ["node.renew"])
    assert (await call(server, "GetPool", pb.GetPoolRequest(name="pools/default"))).slots == 9
    assert await server.audited() == [("Reload", "configuration")]


async def test_an_invalid_configuration_is_refused_in_its_own_words(server: Calling) -> None:
    def read() -> Config:
        raise ConfigError("configuration: unknown key 'node.slots'; did you mean 'pools'?")

    server.kernel.rereads(Config(home="/h"), read, lambda _: None)
    refusal = await refused(call(server, "Reload", pb.ReloadRequest()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "CONFIG")
    assert refusal.message == "configuration: unknown key 'node.slots'; did you mean 'pools'?"
    assert await server.audited() == []


async def test_a_server_that_knows_no_file_is_not_reloaded(server: Calling) -> None:
    refusal = await refused(call(server, "Reload", pb.ReloadRequest()))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_RELOADABLE")
    assert await server.audited() == []
