"""The calls of schedules, cluster, operations, overview and access: what is asked, and what comes back."""

import dataclasses
import inspect
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from windlass_client import (
    Aborted,
    AuditEntry,
    CatchUp,
    Client,
    InvalidArgument,
    Kind,
    Lane,
    LaneStanding,
    Node,
    NodeState,
    Operation,
    Origin,
    Overlap,
    Pause,
    Picture,
    ReceiptStatus,
    Reloaded,
    RetryPolicy,
    Role,
    Schedule,
    Severity,
    Share,
    State,
    TickOutcome,
    Unavailable,
    sync,
)
from windlass_proto.v1 import (
    access_pb2,
    access_service_pb2,
    cluster_pb2,
    cluster_service_pb2,
    operations_service_pb2,
    overview_pb2,
    schedule_pb2,
    schedules_service_pb2,
    task_pb2,
    tasks_service_pb2,
)

from tests.clients.fake_server import START, World, a_task, refuses

TIME = Timestamp(seconds=int(START.timestamp()))
BROKEN = refuses(grpc.StatusCode.UNAVAILABLE, "the stream broke")


def a_schedule(**fields: Any) -> schedule_pb2.Schedule:
    told: dict[str, Any] = {
        "name": "schedules/nightly",
        "kind": "Tidy",
        "cron": "30 4 * * *",
        "revision": 3,
        "next_time": TIME,
    }
    return schedule_pb2.Schedule(**told | fields)


async def test_a_schedule_is_created_as_it_was_written(client: Client, world: World):
    world.answers["Schedules.Create"].append(a_schedule(next_times=[TIME, TIME], last_task="tasks/9"))
    new = Schedule(
        "nightly", "Tidy", {"days": 3}, cron="30 4 * * *", time_zone="Europe/Berlin", priority=0, catch_up=CatchUp.ALL
    )
    made = await client.schedules.create(new, dry_run=True)
    [request] = world.asked("Schedules.Create")
    asked = request.schedule
    assert (asked.name, asked.kind, asked.cron, asked.time_zone) == (
        "schedules/nightly",
        "Tidy",
        "30 4 * * *",
        "Europe/Berlin",
    )
    assert (asked.payload.data, asked.HasField("priority"), asked.priority) == (b'{"days":3}', True, 0)
    assert (asked.catch_up, asked.overlap) == (schedule_pb2.Schedule.CATCH_UP_ALL, 0)
    assert request.validate_only
    assert (made.name, made.revision, made.next_time, made.next_times) == ("nightly", 3, START, (START, START))
    assert (made.last_task, made.priority, made.interval, made.create_time) == (9, None, None, None)


async def test_an_update_is_made_from_the_revision_that_was_read(client: Client, world: World):
    world.answers["Schedules.Get"].append(a_schedule(overlap="OVERLAP_ALLOW", paused=True))
    read = await client.schedules.get("nightly")
    assert (read.overlap, read.paused) == (Overlap.ALLOW, True)
    world.faults.append(refuses(grpc.StatusCode.ABORTED, "it changed", reason="SCHEDULE_CHANGED"))
    with pytest.raises(Aborted) as caught:
        await client.schedules.update(dataclasses.replace(read, cron="", interval=1.5))
    assert caught.value.reason == "SCHEDULE_CHANGED"
    asked = world.asked("Schedules.Update")[0].schedule
    assert (asked.revision, asked.WhichOneof("timing"), asked.interval.ToMilliseconds()) == (3, "interval", 1500)


@pytest.mark.parametrize(
    "wrong", [{"cron": "* * * * *", "interval": 1.0}, {"payload": {1, 2}}, {"priority": 2**40}, {"interval": 1e300}]
)
async def test_a_schedule_that_cannot_be_written_down_never_leaves(client: Client, world: World, wrong: dict[str, Any]):
    with pytest.raises(InvalidArgument, match="cannot be sent"):
        await client.schedules.create(Schedule("nightly", "Tidy", **wrong))
    assert world.calls == []


async def test_schedules_are_listed_paused_resumed_and_deleted(client: Client, world: World):
    page = schedules_service_pb2.ListSchedulesResponse
    world.answers["Schedules.List"].extend(
        [page(schedules=[a_schedule()], next_page_token="2"), page(schedules=[a_schedule(name="schedules/weekly")])]
    )
    assert [each.name async for each in client.schedules.list(page_size=1)] == ["nightly", "weekly"]
    assert [(each.page_size, each.page_token) for each in world.asked("Schedules.List")] == [(1, ""), (1, "2")]
    for verb in ("pause", "resume"):
        world.answers[f"Schedules.{verb.title()}"].append(a_schedule())
        assert (await getattr(client.schedules, verb)("nightly", "a reason")).name == "nightly"
        [asked] = world.asked(f"Schedules.{verb.title()}")
        assert (asked.name, asked.reason) == ("schedules/nightly", "a reason")
    await client.schedules.delete("nightly", revision=4)
    [asked] = world.asked("Schedules.Delete")
    assert (asked.name, asked.revision) == ("schedules/nightly", 4)


async def test_running_a_schedule_twice_over_a_bad_link_is_one_request(client: Client, world: World):
    receipt = tasks_service_pb2.EnqueueResponse.RECEIPT_CREATED
    world.answers["Schedules.Run"].append(tasks_service_pb2.EnqueueResponse(task="tasks/5", receipt=receipt))
    world.faults.append(BROKEN)
    told = await client.schedules.run("nightly")
    assert (told.id, told.status) == (5, ReceiptStatus.CREATED)
    asked = world.asked("Schedules.Run")
    assert (len(asked), len({each.request_id for each in asked}), bool(asked[0].request_id)) == (2, 1, True)


async def test_the_ledger_of_a_schedule_is_read(client: Client, world: World):
    tick = schedule_pb2.Tick(
        name="schedules/nightly/ticks/7",
        due_time=TIME,
        outcome=schedule_pb2.Tick.OUTCOME_CAUGHT_UP,
        reason="3 at once",
        task="tasks/8",
    )
    skipped = schedule_pb2.Tick(name="schedules/nightly/ticks/6", outcome=schedule_pb2.Tick.OUTCOME_SKIPPED)
    world.answers["Schedules.ListTicks"].append(schedules_service_pb2.ListTicksResponse(ticks=[tick, skipped]))
    first, second = [each async for each in client.schedules.ticks("nightly")]
    assert (first.id, first.due_time, first.outcome, first.task) == (7, START, TickOutcome.CAUGHT_UP, 8)
    assert (second.id, second.decide_time, second.outcome, second.task) == (6, None, TickOutcome.SKIPPED, None)


async def test_the_cluster_is_read(client: Client, world: World):
    pause = cluster_pb2.Pause(by="ada", reason="full", time=TIME)
    node = cluster_pb2.Node(
        name="nodes/12",
        display_name="host/7",
        state=cluster_pb2.Node.STATE_DRAINING,
        kinds=["A", "B"],
        shares=[cluster_pb2.Share(pool="default", slots=4, in_use=1)],
    )
    pool = cluster_pb2.Pool(name="pools/default", slots=4, waiting=2, pause=pause)
    pool.oldest_wait.FromMilliseconds(1500)
    kind = cluster_pb2.Kind(name="kinds/Tidy", retry=task_pb2.RetryPolicy(attempts=3), nodes=1, role="operator")
    kind.payload_schema.data = b'{"type": "object"}'
    lane = cluster_pb2.Lane(name="lanes/tape", fence=8, holder=cluster_pb2.LaneStanding(task="tasks/4", attempt=1))
    world.answers["Cluster.ListNodes"].append(cluster_service_pb2.ListNodesResponse(nodes=[node]))
    world.answers["Cluster.ListPools"].append(cluster_service_pb2.ListPoolsResponse(pools=[pool]))
    world.answers["Cluster.ListKinds"].append(cluster_service_pb2.ListKindsResponse(kinds=[kind]))
    other = cluster_pb2.Lane(name="lanes/urn", fence=1)
    world.answers["Cluster.ListLanes"].append(
        cluster_service_pb2.ListLanesResponse(lanes=[lane], next_page_token="more")
    )
    world.answers["Cluster.ListLanes"].append(cluster_service_pb2.ListLanesResponse(lanes=[other]))
    assert await client.cluster.nodes() == [
        Node(12, "host/7", NodeState.DRAINING, "", None, None, None, False, ("A", "B"), 0, (Share("default", 4, 1),))
    ]
    [read] = await client.cluster.pools()
    assert (read.name, read.waiting, read.oldest_wait, read.pause) == ("default", 2, 1.5, Pause("ada", "full", START))
    assert await client.cluster.kinds() == [
        Kind("Tidy", "", {"type": "object"}, "", RetryPolicy(3, 0.0), "", "", None, 1, "operator")
    ]
    assert await client.cluster.lanes() == [
        Lane("tape", 8, LaneStanding(4, 1, "", None), ()),
        Lane("urn", 1, None, ()),
    ]


async def test_the_server_tells_what_it_is(client: Client, world: World):
    info = cluster_service_pb2.ServerInfo(version="1", node="nodes/3", capabilities=["tls"], largest_message=4)
    info.clock_offset.FromMilliseconds(-20)
    info.plugins.add(name="scripts", version="0.1", kinds=["ExecuteScript"])
    world.answers["Cluster.GetServerInfo"].append(info)
    told = await client.cluster.info()
    assert (told.node, told.clock_offset, told.capabilities, told.start_time) == (3, -0.02, ("tls",), None)
    assert told.plugins[0].kinds == ("ExecuteScript",)


@pytest.mark.parametrize(
    ("method", "arguments", "rpc", "expected"),
    [
        ("drain", (12, "why"), "DrainNode", {"name": "nodes/12", "reason": "why"}),
        ("resume_node", (12, "why"), "ResumeNode", {"name": "nodes/12", "reason": "why"}),
        ("pool", ("io",), "GetPool", {"name": "pools/io"}),
        ("resize", ("io", 0, "why"), "ResizePool", {"name": "pools/io", "slots": 0, "reason": "why"}),
        ("pause_pool", ("io", "why"), "PausePool", {"name": "pools/io", "reason": "why"}),
        ("resume_pool", ("io", "why"), "ResumePool", {"name": "pools/io", "reason": "why"}),
        ("kind", ("Tidy",), "GetKind", {"name": "kinds/Tidy"}),
        ("pause_kind", ("Tidy", "why"), "PauseKind", {"name": "kinds/Tidy", "reason": "why"}),
        ("resume_kind", ("Tidy", "why"), "ResumeKind", {"name": "kinds/Tidy", "reason": "why"}),
        ("reload", ("why",), "Reload", {"reason": "why"}),
    ],
)
async def test_a_change_of_the_cluster_asks_for_what_it_says(
    client: Client, world: World, method: str, arguments: tuple[Any, ...], rpc: str, expected: dict[str, Any]
):
    await getattr(client.cluster, method)(*arguments)
    [asked] = world.asked(f"Cluster.{rpc}")
    assert {name: getattr(asked, name) for name in expected} == expected


async def test_a_reload_tells_what_changed(client: Client, world: World):
    reply = cluster_service_pb2.ReloadResponse(changed=["a.b"], waiting_for_restart=["c"])
    world.answers["Cluster.Reload"].append(reply)
    assert await client.cluster.reload() == Reloaded(("a.b",), ("c",))


async def test_operations_of_plugins_are_listed_and_called(client: Client, world: World):
    listed = operations_service_pb2.Operation(name="operations/disk.check", title="Check", writes=True, role="operator")
    listed.argument_schema.data = b'{"type": "object"}'
    world.answers["Operations.List"].append(operations_service_pb2.ListOperationsResponse(operations=[listed]))
    expected = Operation("disk.check", "Check", "", True, "operator", {"type": "object"}, None)
    assert list(await client.operations.list()) == [expected]
    reply = operations_service_pb2.CallOperationResponse()
    reply.result.data = b'{"found": 2}'
    world.answers["Operations.Call"].append(reply)
    assert await client.operations.call("disk.check", {"deep": True}, reason="why") == {"found": 2}
    [asked] = world.asked("Operations.Call")
    assert (asked.name, asked.argument.data, asked.reason) == ("operations/disk.check", b'{"deep":true}', "why")


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.operations.call("disk.format"),
        lambda client: client.access.create_token("ada", Role.VIEWER),
    ],
    ids=["operation", "token"],
)
async def test_what_may_not_happen_twice_is_sent_once(client: Client, world: World, call: Callable[[Client], Any]):
    world.faults.append(BROKEN)
    with pytest.raises(Unavailable, match="the stream broke"):
        await call(client)
    assert len(world.calls) == 1


def a_picture(**fields: Any) -> overview_pb2.Picture:
    return overview_pb2.Picture(time=TIME, **fields)


async def test_the_picture_is_read_whole(client: Client, world: World):
    picture = a_picture(summary="1 running", active=[a_task(7)], active_count=1, counts=overview_pb2.Counts(lost=2))
    picture.coalescing_count = 150
    picture.coalescing.add(task="tasks/3", key="k", state=task_pb2.Task.STATE_RUNNING, joined=4)
    picture.signals.add(
        name="stuck-running", severity=overview_pb2.HealthSignal.SEVERITY_CRITICAL, checks=["look"]
    ).since.FromSeconds(90)
    picture.sections.add(name="disk", data=task_pb2.Payload(data=b"[1]")).lines.add(name="free", value="3 of 4/5")
    world.answers["Overview.GetOverview"].append(picture)
    told = await client.overview.get()
    assert (told.time, told.is_idle, [task.id for task in told.active], told.counts.lost) == (START, False, [7], 2)
    assert told.coalescing_count == 150
    assert (told.coalescing[0].task, told.coalescing[0].state) == (3, State.RUNNING)
    assert (told.signals[0].severity, told.signals[0].since) == (Severity.CRITICAL, 90.0)
    assert (told.sections[0].data, told.sections[0].lines[0].value) == ([1], "3 of 4/5")


async def test_watching_the_picture_outlives_breaks_and_ends_of_the_stream(client: Client, world: World):
    world.answers["Overview.WatchOverview"].extend(
        [[a_picture(deferred=1), BROKEN], [a_picture(deferred=2)], [a_picture(deferred=3)]]
    )
    outages: list[str] = []
    pictures = client.overview.watch(2.5, on_outage=lambda error: outages.append(error.message))
    seen: list[Picture] = [await anext(pictures) for _ in range(3)]
    await pictures.aclose()
    assert [picture.deferred for picture in seen] == [1, 2, 3]
    assert outages == ["the stream broke", "the server ended the stream"]
    assert world.asked("Overview.WatchOverview")[0].interval.ToMilliseconds() == 2500


async def test_a_caller_learns_who_it_is(client: Client, world: World):
    reply = access_service_pb2.WhoAmIResponse(
        subject="ada", role=access_pb2.ROLE_OPERATOR, origin=task_pb2.ORIGIN_USER, pools=["io"], credential="tokens/4"
    )
    world.answers["Access.WhoAmI"].append(reply)
    who = await client.access.whoami()
    assert (who.subject, who.role, who.origin, who.pools, who.credential) == (
        "ada",
        Role.OPERATOR,
        Origin.USER,
        ("io",),
        "tokens/4",
    )


async def test_a_token_is_made_and_its_secret_is_not_printed(client: Client, world: World):
    token = access_pb2.Token(name="tokens/4", subject="ci", role=access_pb2.ROLE_SUBMITTER)
    world.answers["Access.CreateToken"].append(access_service_pb2.CreateTokenResponse(token=token, secret="wdl_s3cret"))
    made = await client.access.create_token("ci", Role.SUBMITTER, origin=Origin.SYSTEM, pools=["io"], ttl=60)
    assert (made.secret, made.token.name, made.token.expire_time) == ("wdl_s3cret", "4", None)
    assert "s3cret" not in repr(made)
    [asked] = world.asked("Access.CreateToken")
    assert (asked.subject, asked.role, asked.origin) == ("ci", access_pb2.ROLE_SUBMITTER, task_pb2.ORIGIN_SYSTEM)
    assert (list(asked.pools), asked.ttl.seconds) == (["io"], 60)


async def test_tokens_are_listed_and_revoked(client: Client, world: World):
    reply = access_service_pb2.ListTokensResponse(tokens=[access_pb2.Token(name="tokens/4", revoke_time=TIME)])
    world.answers["Access.ListTokens"].append(reply)
    [token] = [each async for each in client.access.tokens(show_ended=True, page_size=7)]
    assert token.revoke_time == datetime(2021, 11, 22, 10, tzinfo=UTC)
    [asked] = world.asked("Access.ListTokens")
    assert (asked.show_ended, asked.page_size) == (True, 7)
    await client.access.revoke("4", "left")
    [asked] = world.asked("Access.RevokeToken")
    assert (asked.name, asked.reason) == ("tokens/4", "left")


async def test_the_audit_log_is_read(client: Client, world: World):
    entry = access_pb2.AuditEntry(
        name="audit/5", time=TIME, subject="ada", role=access_pb2.ROLE_ADMIN, resource="tasks/5"
    )
    entry.request.data = b'{"name": "tasks/5"}'
    world.answers["Access.ListAudit"].append(access_service_pb2.ListAuditResponse(entries=[entry]))
    [told] = [each async for each in client.access.audit(filter='subject = "ada"')]
    assert told == AuditEntry(5, START, "ada", "", Role.ADMIN, "", "tasks/5", "", {"name": "tasks/5"})
    assert world.asked("Access.ListAudit")[0].filter == 'subject = "ada"'


async def test_numbers_of_a_newer_server_are_unspecified_and_no_error(client: Client, world: World):
    world.answers["Cluster.ListNodes"].append(
        cluster_service_pb2.ListNodesResponse(nodes=[cluster_pb2.Node(name="nodes/1", state=77)])  # type: ignore[arg-type]
    )
    [node] = await client.cluster.nodes()
    assert node.state is NodeState.UNSPECIFIED


@pytest.mark.parametrize("group", ["schedules", "cluster", "operations", "overview", "access"])
async def test_every_group_offers_threads_the_same(client: Client, group: str):
    def offered(thing: object) -> set[str]:
        return {name for name, _ in inspect.getmembers(thing) if not name.startswith("_")}

    kind = type(getattr(client, group))
    assert offered(getattr(sync, f"Sync{kind.__name__}")) == offered(kind)
