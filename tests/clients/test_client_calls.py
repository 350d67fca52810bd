"""How the client calls: the token, deadlines, retries, errors."""

import dataclasses
import random
import time
from functools import partial

import grpc
import pytest
from google.rpc import error_details_pb2
from windlass_client import (
    Client,
    DeadlineExceeded,
    Details,
    FailedPrecondition,
    FieldViolation,
    GateKind,
    InvalidArgument,
    NewTask,
    NotFound,
    Origin,
    OutputWritten,
    PermissionDenied,
    PreconditionViolation,
    QuotaViolation,
    ReceiptStatus,
    ResourceExhausted,
    ResourceInfo,
    Stream,
    Unauthenticated,
    Unavailable,
    Unimplemented,
    WindlassError,
)
from windlass_client.connection import pauses
from windlass_client.resources import TaskOptions
from windlass_proto.v1 import event_pb2, history_service_pb2, task_pb2, tasks_service_pb2

from tests.clients.fake_server import FakeServer, World, a_task, hangs, refuses

UNAVAILABLE = refuses(grpc.StatusCode.UNAVAILABLE, "the database is gone", reason="STORE_UNAVAILABLE")


async def test_every_call_carries_the_token(client: Client, world: World):
    await client.enqueue("Noop", {})
    assert world.calls[0].metadata["authorization"] == "Bearer secret"


async def test_a_task_says_all_that_was_asked_for(client: Client, world: World):
    handle = await client.enqueue(
        "Greet", {"name": "Ada"}, title="hello", priority=11, labels={"team": "a"}, retry_attempts=3, retry_pause=0.25
    )
    (request,) = world.asked("Enqueue")
    assert handle.id == 1
    assert handle.receipt.status is ReceiptStatus.CREATED
    assert (request.task.kind, request.task.title, request.task.priority) == ("Greet", "hello", 11)
    assert request.task.payload.data == b'{"name":"Ada"}'
    assert request.task.payload.content_type == "application/json"
    assert dict(request.task.labels) == {"team": "a"}
    assert (request.task.retry.attempts, request.task.retry.pause.ToTimedelta().total_seconds()) == (3, 0.25)


async def test_what_is_not_said_stays_unset(client: Client, world: World):
    await client.enqueue("Noop", {})
    (request,) = world.asked("Enqueue")
    assert not request.task.HasField("priority")
    assert not request.task.HasField("retry")
    assert not request.task.HasField("due_time")


async def test_an_enqueue_whose_answer_was_lost_is_tried_again_and_makes_one_task(client: Client, world: World):
    world.faults.extend([UNAVAILABLE, UNAVAILABLE])
    handle = await client.enqueue("Noop", {})
    assert len({request.request_id for request in world.asked("Enqueue")}) == 1
    assert len(world.asked("Enqueue")) == 3
    assert len(world.tasks) == 1
    assert handle.receipt.status is ReceiptStatus.REPEATED


async def test_two_enqueues_have_two_request_ids(client: Client, world: World):
    first, second = await client.enqueue("Noop", {}), await client.enqueue("Noop", {})
    assert first.id != second.id


async def test_a_batch_comes_back_in_its_order(client: Client, world: World):
    handles = await client.enqueue_batch([NewTask("Noop", {}, title=f"task {n}") for n in range(5)])
    assert [world.tasks[handle.id].title for handle in handles] == [f"task {n}" for n in range(5)]


async def test_a_server_that_stays_unavailable_ends_the_tries_at_the_deadline(server: FakeServer, world: World):
    world.faults.extend([UNAVAILABLE] * 1000)
    async with Client.connect(server.address, timeout=0.5) as client:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="the database is gone") as caught:
            await client.get_task(1)
    assert time.monotonic() - began < 2
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert 3 <= len(world.calls) <= 30


async def test_a_call_that_is_never_answered_ends_at_its_deadline(server: FakeServer, world: World):
    world.faults.append(hangs)
    async with Client.connect(server.address, timeout=0.2) as client:
        with pytest.raises(DeadlineExceeded) as caught:
            await client.get_task(1)
    assert isinstance(caught.value, TimeoutError)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidArgument),
        (grpc.StatusCode.NOT_FOUND, NotFound),
        (grpc.StatusCode.UNAUTHENTICATED, Unauthenticated),
        (grpc.StatusCode.PERMISSION_DENIED, PermissionDenied),
        (grpc.StatusCode.FAILED_PRECONDITION, FailedPrecondition),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, ResourceExhausted),
        (grpc.StatusCode.INTERNAL, WindlassError),
    ],
)
async def test_a_refusal_is_an_error_of_its_own_class_and_is_not_tried_again(
    client: Client, world: World, code: grpc.StatusCode, expected: type[WindlassError]
):
    world.faults.append(refuses(code, "for this reason", reason="A_REASON", field="kind"))
    with pytest.raises(WindlassError) as caught:
        await client.enqueue("Noop", {})
    error = caught.value
    assert type(error) is expected
    assert (error.code, error.reason, error.message) == (code.name, "A_REASON", "for this reason")
    assert error.metadata == {"field": "kind"}
    assert len(world.calls) == 1


async def test_a_refusal_without_details_has_no_reason(client: Client, world: World):
    world.faults.append(refuses(grpc.StatusCode.NOT_FOUND, "gone"))
    with pytest.raises(NotFound) as caught:
        await client.get_task(1)
    assert (caught.value.reason, caught.value.metadata) == ("", {})


async def test_details_that_are_rubbish_do_not_hide_the_refusal(client: Client, world: World):
    async def rubbish(context):
        await context.abort(grpc.StatusCode.NOT_FOUND, "gone", (("grpc-status-details-bin", b"\xff\xff\xff"),))

    world.faults.append(rubbish)
    with pytest.raises(NotFound, match="gone"):
        await client.get_task(1)


@pytest.mark.parametrize("payload", [float("nan"), {1, 2}, "\ud800", object()])
async def test_a_payload_that_is_no_json_never_leaves(client: Client, world: World, payload: object):
    with pytest.raises(InvalidArgument) as caught:
        await client.enqueue("Noop", payload)
    assert caught.value.reason == "PAYLOAD_INVALID"
    assert world.calls == []


@pytest.mark.parametrize("options", [{"priority": 2**40}, {"title": "\udcff"}])
async def test_a_value_that_cannot_be_written_down_never_leaves(client: Client, world: World, options: TaskOptions):
    with pytest.raises(InvalidArgument):
        await client.enqueue("Noop", {}, **options)
    assert world.calls == []


async def test_a_payload_larger_than_any_message_never_leaves(client: Client, world: World):
    with pytest.raises(InvalidArgument, match="more than any server takes") as caught:
        await client.enqueue("Noop", "x" * 5_000_000)
    assert caught.value.reason == "PAYLOAD_TOO_LARGE"
    assert world.calls == []


async def test_a_list_goes_over_all_pages_and_a_page_can_be_had_alone(client: Client, world: World):
    world.tasks = {n: a_task(n) for n in range(1, 8)}
    assert [task.id async for task in client.list_tasks(page_size=3)] == [1, 2, 3, 4, 5, 6, 7]
    assert [request.page_token for request in world.asked("Tasks.List")] == ["", "3", "6"]
    page = await client.task_page(page_size=3, page_token="3")
    assert ([task.id for task in page.items], page.next_page_token) == ([4, 5, 6], "6")


async def test_a_page_is_fetched_only_when_it_is_needed(client: Client, world: World):
    world.tasks = {n: a_task(n) for n in range(1, 8)}
    async for task in client.list_tasks(page_size=3):
        if task.id == 2:
            break
    assert len(world.calls) == 1


async def test_ready_waits_for_a_server_that_is_not_serving_yet(server: FakeServer):
    server.serving = False
    async with Client.connect(server.address) as client:
        with pytest.raises(Unavailable, match="it is not serving yet"):
            await client.ready(timeout=0.3)
        server.serving = True
        await client.ready(timeout=5)


async def test_ready_says_that_nobody_answers(server: FakeServer):
    await server.stop()
    async with Client.connect(server.address) as client:
        with pytest.raises(Unavailable, match=rf"no windlass server answers at {server.address}") as caught:
            await client.ready(timeout=0.3)
    assert caught.value.reason == "SERVER_NOT_REACHABLE"
    await server.start()


async def test_a_value_newer_than_the_library_is_unspecified_and_no_error(client: Client, world: World):
    world.tasks = {1: a_task(1, state=77)}
    task = await client.get_task(1)
    assert task.state == "UNSPECIFIED"


def test_the_options_of_an_enqueue_are_the_fields_of_a_new_task():
    fields = {each.name for each in dataclasses.fields(NewTask)} - {"kind", "payload"}
    assert set(TaskOptions.__annotations__) == fields


async def test_what_a_task_must_wait_for_is_said(client: Client, world: World):
    await client.enqueue(
        "Greet", {}, coalesce_key="", concurrency_key="printer", concurrency_limit=2, after=[3, 4], after_success=True
    )
    await client.enqueue("Greet", {}, start_within=1.5, run_limit=2.0, silence_limit=0.5)
    first, second = (request.task for request in world.asked("Enqueue"))
    assert (first.HasField("coalesce_key"), first.coalesce_key) == (True, "")
    assert (first.concurrency.key, first.concurrency.limit) == ("printer", 2)
    assert (list(first.after), first.after_success) == (["tasks/3", "tasks/4"], True)
    assert not second.HasField("coalesce_key")
    assert (second.start_within.ToMilliseconds(), second.run_limit.seconds) == (1500, 2)
    assert second.silence_limit.ToMilliseconds() == 500


async def test_a_task_is_explained_retried_and_reprioritized(client: Client, world: World):
    [gate] = await client.explain(7)
    assert (gate.kind, gate.why, gate.clears, gate.tasks) == (GateKind.POOL_FULL, "it is full", "room", (7,))
    handle = await client.retry(7)
    assert handle.id == 99
    [asked] = world.asked("Retry")
    assert (asked.name, bool(asked.request_id)) == ("tasks/7", True), "two tries of one call make one task"
    assert (await client.reprioritize(7, 12)).priority == 12


async def test_lists_pass_their_filter_and_order_on(client: Client, world: World):
    world.tasks = {n: a_task(n) for n in range(1, 4)}
    found = [task.id async for task in client.list_tasks(filter="priority > 5", order_by="id desc", page_size=2)]
    assert found == [1, 2, 3]
    asked = world.asked("Tasks.List")
    assert [(each.filter, each.order_by) for each in asked] == [("priority > 5", "id desc")] * 2
    _ = [card async for card in client.list_cards(filter="state = FAILED", order_by="end_time", origin=Origin.USER)]
    [asked] = world.asked("History.List")
    assert (asked.filter, asked.order_by, asked.origin) == ("state = FAILED", "end_time", task_pb2.ORIGIN_USER)


async def test_output_is_read_page_by_page(client: Client, world: World):
    chunk = history_service_pb2.OutputChunk(sequence=3, attempt=2)
    chunk.output.data, chunk.output.stream, chunk.output.dropped = b"\xff", event_pb2.Output.STREAM_STDERR, 7
    page = history_service_pb2.ReadOutputResponse
    world.answers["ReadOutput"].extend([page(chunks=[chunk], next_page_token="n"), page(chunks=[chunk])])
    chunks = [each async for each in client.read_output(5, attempt=2, stream=Stream.STDERR, page_size=1)]
    assert chunks == [OutputWritten(3, 2, None, Stream.STDERR, b"\xff", 7)] * 2
    asked = world.asked("ReadOutput")
    assert [(each.parent, each.attempt, each.stream, each.page_token) for each in asked] == [
        ("cards/5", 2, event_pb2.Output.STREAM_STDERR, ""),
        ("cards/5", 2, event_pb2.Output.STREAM_STDERR, "n"),
    ]


@pytest.mark.parametrize(
    ("method", "rpc"), [("bulk_interrupt", "BulkInterrupt"), ("bulk_retry", "BulkRetry"), ("", "BulkReprioritize")]
)
async def test_a_bulk_action_says_what_it_will_do(client: Client, world: World, method: str, rpc: str):
    reply = tasks_service_pb2.BulkResponse(task="tasks/9", matching=2, is_more=True, samples=[a_task(4)])
    world.answers[rpc].append(reply)
    world.faults.append(UNAVAILABLE)
    bulk = getattr(client, method) if method else partial(client.bulk_reprioritize, priority=9)
    told = await bulk("kind = Noop", reason="why", dry_run=True, rate=7)
    assert (told.task, told.matching, told.is_more, [task.id for task in told.samples]) == (9, 2, True, [4])
    first, again = world.asked(rpc)
    assert first == again, "two tries of one call are one request"
    assert first.request_id
    assert (first.filter, first.reason, first.validate_only, first.rate) == ("kind = Noop", "why", True, 7)
    assert method or first.priority == 9


async def test_a_refusal_says_who_is_to_blame_and_when_to_try_again(client: Client, world: World):
    said = [
        error_details_pb2.BadRequest(field_violations=[{"field": "task.kind", "description": "unknown"}]),
        error_details_pb2.PreconditionFailure(violations=[{"type": "STATE", "subject": "tasks/1", "description": "x"}]),
        error_details_pb2.QuotaFailure(violations=[{"subject": "tokens/1", "description": "streams"}]),
        error_details_pb2.ResourceInfo(resource_type="pool", resource_name="pools/io", owner="ada", description="gone"),
        error_details_pb2.RetryInfo(retry_delay={"seconds": 1, "nanos": 500_000_000}),
    ]
    world.faults.append(refuses(grpc.StatusCode.RESOURCE_EXHAUSTED, "too many", reason="TOO_MANY", details=said))
    with pytest.raises(ResourceExhausted) as caught:
        await client.enqueue("Noop", {})
    assert caught.value.details == Details(
        (FieldViolation("task.kind", "unknown"),),
        (PreconditionViolation("STATE", "tasks/1", "x"),),
        (QuotaViolation("tokens/1", "streams"),),
        (ResourceInfo("pool", "pools/io", "ada", "gone"),),
        1.5,
    )
    assert len(world.calls) == 1, "only UNAVAILABLE is tried again"


async def test_another_try_waits_as_long_as_the_server_asks(client: Client, world: World):
    soon = error_details_pb2.RetryInfo(retry_delay={"nanos": 300_000_000})
    world.faults.append(refuses(grpc.StatusCode.UNAVAILABLE, "wait", details=[soon]))
    world.tasks = {1: a_task(1)}
    began = time.monotonic()
    await client.get_task(1)
    assert time.monotonic() - began >= 0.3


async def test_a_wait_that_would_pass_the_deadline_is_not_begun(client: Client, world: World):
    late = error_details_pb2.RetryInfo(retry_delay={"seconds": 60})
    world.faults.append(refuses(grpc.StatusCode.UNAVAILABLE, "wait", details=[late]))
    began = time.monotonic()
    with pytest.raises(Unavailable) as caught:
        await client.get_task(1)
    assert time.monotonic() - began < 5
    assert caught.value.details.retry_delay == 60


def test_pauses_are_drawn_from_the_whole_of_a_longest_one_that_doubles():
    drawn = [[next(each) for _ in range(9)] for each in map(pauses, map(random.Random, range(400)))]
    for n, longest in enumerate([0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]):
        column = [each[n] for each in drawn]
        assert 0 <= min(column) < 0.1 * longest
        assert 0.9 * longest < max(column) <= longest


async def test_an_older_server_says_that_it_does_not_know_a_call(client: Client, world: World):
    world.faults.append(refuses(grpc.StatusCode.UNIMPLEMENTED, "Method not found!"))
    with pytest.raises(Unimplemented):
        await client.cluster.info()
