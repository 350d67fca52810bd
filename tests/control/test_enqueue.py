"""Enqueue and BatchEnqueue: what is taken, what is refused and with which word, and what a repeated call gets."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from windlass.host.admission import LARGEST_PAYLOAD
from windlass_proto.v1 import task_pb2
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, new, refused

INVALID = grpc.StatusCode.INVALID_ARGUMENT
CREATED, REPEATED = pb.EnqueueResponse.RECEIPT_CREATED, pb.EnqueueResponse.RECEIPT_REPEATED


def asking(task: pb.NewTask, **more: Any) -> pb.EnqueueRequest:
    return pb.EnqueueRequest(task=task, **more)


def later() -> Timestamp:
    due = Timestamp()
    due.GetCurrentTime()
    due.FromDatetime(due.ToDatetime() + timedelta(hours=1))
    return due


async def test_an_enqueued_task_is_stored_run_and_shown_as_it_was_asked(server: Calling) -> None:
    task = new(payload={"a": 1}, title="Mine", priority=0, trigger="operator", labels={"team": "blue"})
    task.retry.attempts = 4
    task.retry.pause.FromTimedelta(timedelta(seconds=1.5))
    answer = await server.tasks.Enqueue(asking(task), timeout=DEADLINE)
    assert answer.receipt == CREATED
    found = await server.ended(answer.task)
    assert (found.state, found.kind, found.title, found.priority) == (State.STATE_COMPLETED, "Echo", "Mine", 0)
    assert (found.trigger, dict(found.labels), found.retry.attempts) == ("operator", {"team": "blue"}, 4)
    assert found.retry.pause.ToTimedelta() == timedelta(seconds=1.5)
    assert json.loads(found.payload.data) == json.loads(found.result.data) == {"a": 1}
    assert found.payload.content_type == "application/json"
    assert found.pool in {"default", ""}


async def test_what_was_not_asked_is_the_kinds_own(server: Calling) -> None:
    found = await server.get(await server.enqueue(payload={"b": 2}))
    assert (found.title, found.priority, found.trigger, found.retry.attempts) == ("Echo b", 5, "api", 10)


async def test_a_due_time_is_waited_for(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    found = await server.get(name)
    assert found.state == State.STATE_PENDING
    assert 3_590 < found.next_try_time.ToSeconds() - found.create_time.ToSeconds() < 3_610


async def test_a_due_time_gone_by_means_now(server: Calling) -> None:
    assert (await server.ended(await server.enqueue(due_time=Timestamp(seconds=1)))).state == State.STATE_COMPLETED


def _retry(**fields: Any) -> task_pb2.RetryPolicy:
    policy = task_pb2.RetryPolicy(attempts=fields.get("attempts", 0))
    if "seconds" in fields:
        policy.pause.seconds = fields["seconds"]
    return policy


def _many(limit: int) -> task_pb2.Concurrency:
    return task_pb2.Concurrency(key="k", limit=limit)


REFUSED: dict[str, tuple[pb.EnqueueRequest, str, str]] = {
    "unknown kind": (asking(new("Ecko")), "KIND_UNKNOWN", "task.kind"),
    "no kind": (asking(new("")), "KIND_UNKNOWN", "task.kind"),
    "endless kind": (asking(new("E" * 500_000)), "KIND_UNKNOWN", "task.kind"),
    "payload of another type": (asking(new(payload={"a": "one"})), "PAYLOAD_INVALID", "task.payload"),
    "no JSON": (asking(new(payload=b"{")), "PAYLOAD_INVALID", "task.payload"),
    "no text": (asking(new(payload=b"\xff\xfe")), "PAYLOAD_INVALID", "task.payload"),
    "endless key": (asking(new(payload={"k" * 500_000: "x"})), "PAYLOAD_INVALID", "task.payload"),
    "deep": (asking(new(payload=b"[" * 100_000)), "PAYLOAD_INVALID", "task.payload"),
    "NUL in the payload": (asking(new(payload=b'{"a\\u0000": 1}')), "PAYLOAD_INVALID", "task.payload"),
    "raw NUL": (asking(new(payload=b'{"a": 1}\0')), "PAYLOAD_INVALID", "task.payload"),
    "payload too large": (asking(new(payload=b" " * LARGEST_PAYLOAD + b"{}")), "PAYLOAD_TOO_LARGE", "task.payload"),
    "title too long": (asking(new(title="t" * 201)), "INVALID_ARGUMENT", "task.title"),
    "NUL in the title": (asking(new(title="a\0b")), "INVALID_ARGUMENT", "task.title"),
    "NUL in the trigger": (asking(new(trigger="\0")), "INVALID_ARGUMENT", "task.trigger"),
    "NUL in the pool": (asking(new(pool="\0")), "INVALID_ARGUMENT", "task.pool"),
    "long trigger": (asking(new(trigger="t" * 101)), "INVALID_ARGUMENT", "task.trigger"),
    "priority below": (asking(new(priority=-1)), "INVALID_ARGUMENT", "task.priority"),
    "priority above": (asking(new(priority=101)), "INVALID_ARGUMENT", "task.priority"),
    "labels": (asking(new(labels={str(n): "" for n in range(65)})), "INVALID_ARGUMENT", "task.labels"),
    "attempts below": (asking(new(retry=_retry(attempts=-1))), "INVALID_ARGUMENT", "task.retry.attempts"),
    "attempts above": (asking(new(retry=_retry(attempts=32_001))), "INVALID_ARGUMENT", "task.retry.attempts"),
    "pause below": (asking(new(retry=_retry(seconds=-1))), "INVALID_ARGUMENT", "task.retry.pause"),
    "pause above": (asking(new(retry=_retry(seconds=10**9))), "INVALID_ARGUMENT", "task.retry.pause"),
    "pause out of range": (asking(new(retry=_retry(seconds=2**62))), "INVALID_ARGUMENT", "task.retry.pause"),
    "due too late": (asking(new(due_time=Timestamp(seconds=10**11))), "INVALID_ARGUMENT", "task.due_time"),
    "due out of range": (asking(new(due_time=Timestamp(seconds=2**62))), "INVALID_ARGUMENT", "task.due_time"),
    "unknown pool": (asking(new(pool="defualt")), "INVALID_ARGUMENT", "task.pool"),
    "endless coalesce_key": (asking(new(coalesce_key="k" * 501)), "INVALID_ARGUMENT", "task.coalesce_key"),
    "NUL in the coalesce_key": (asking(new(coalesce_key="\0")), "INVALID_ARGUMENT", "task.coalesce_key"),
    "concurrency": (asking(new(concurrency=_many(1_001))), "INVALID_ARGUMENT", "task.concurrency.limit"),
    "after": (asking(new(after=["cards/1"])), "INVALID_ARGUMENT", "task.after"),
    "after with a key": (asking(new(coalesce_key="k", after=["tasks/1"])), "INVALID_ARGUMENT", "task.after"),
    "start_within": (asking(new(start_within=Duration(seconds=-1))), "INVALID_ARGUMENT", "task.start_within"),
    "run_limit": (asking(new(run_limit=Duration(seconds=2**62))), "INVALID_ARGUMENT", "task.run_limit"),
    "request_id": (asking(new(), request_id="mine"), "INVALID_ARGUMENT", "request_id"),
    "content_type": (
        asking(pb.NewTask(kind="Echo", payload=task_pb2.Payload(content_type="text/plain", data=b"x"))),
        "INVALID_ARGUMENT",
        "task.payload.content_type",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("validate_only", [False, True])
async def test_a_request_that_can_not_work_is_refused_with_its_field(
    server: Calling, case: str, validate_only: bool
) -> None:
    request, reason, field = REFUSED[case]
    asked = pb.EnqueueRequest()
    asked.CopyFrom(request)
    asked.validate_only = validate_only
    refusal = await refused(server.tasks.Enqueue(asked, timeout=DEADLINE))
    assert (refusal.code, refusal.reason, refusal.field) == (INVALID, reason, field)
    assert refusal.message
    assert "\n" not in refusal.message
    assert len(refusal.message) < 2_000
    assert server.count("task") == 0


async def test_a_label_with_nul_is_refused_and_named(server: Calling) -> None:
    for labels in ({"a": "\0"}, {"a\0": "b"}, {"a": "b" * 100}):
        refusal = await refused(server.tasks.Enqueue(asking(new(labels=labels)), timeout=DEADLINE))
        assert (refusal.code, refusal.reason) == (INVALID, "INVALID_ARGUMENT")
        assert refusal.field.startswith("task.labels.a")


async def test_an_unknown_kind_says_the_nearest_known_one(server: Calling) -> None:
    refusal = await refused(server.tasks.Enqueue(asking(new("Ecko")), timeout=DEADLINE))
    assert "did you mean Echo?" in refusal.message
    assert refusal.facts == {"kind": "Ecko"}


async def test_a_payload_of_the_largest_size_is_taken(server: Calling) -> None:
    name = await server.enqueue(payload=b"{" + b" " * (LARGEST_PAYLOAD - 2) + b"}")
    assert (await server.ended(name)).state == State.STATE_COMPLETED


async def test_a_message_over_the_limit_is_refused_and_the_channel_goes_on(server: Calling) -> None:
    huge = asking(new(payload=b" " * (4 * 1024 * 1024)))
    refusal = await refused(server.tasks.Enqueue(huge, timeout=DEADLINE))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    await server.ended(await server.enqueue())


async def test_validate_only_stores_nothing(server: Calling) -> None:
    request = asking(new(), validate_only=True, request_id=str(uuid.uuid4()))
    answer = await server.tasks.Enqueue(request, timeout=DEADLINE)
    assert (answer.task, answer.receipt) == ("", pb.EnqueueResponse.RECEIPT_UNSPECIFIED)
    assert (server.count("task"), server.count("request")) == (0, 0)


async def test_a_repeated_call_gets_the_first_ones_task(server: Calling) -> None:
    request = asking(new(payload={"a": 1}), request_id=str(uuid.uuid4()))
    first = await server.tasks.Enqueue(request, timeout=DEADLINE)
    assert first.receipt == CREATED
    await server.ended(first.task)
    again = await server.tasks.Enqueue(request, timeout=DEADLINE)
    assert (again.task, again.receipt) == (first.task, REPEATED)
    assert server.count("task") == 1


async def test_fifty_identical_calls_at_once_make_one_task(server: Calling) -> None:
    request = asking(new(), request_id=str(uuid.uuid4()))
    answers = await asyncio.gather(*(server.tasks.Enqueue(request, timeout=DEADLINE) for _ in range(50)))
    assert len({answer.task for answer in answers}) == 1 == server.count("task")
    assert [answer.receipt for answer in answers].count(CREATED) == 1


@pytest.mark.parametrize(
    "other",
    [{"payload": {"a": 2}}, {"title": "x"}, {"priority": 6}, {"labels": {"a": "b"}}, {"trigger": "x"}],
    ids=["payload", "title", "priority", "labels", "trigger"],
)
async def test_a_request_id_with_another_body_is_refused(server: Calling, other: dict[str, Any]) -> None:
    request_id = str(uuid.uuid4())
    first = await server.tasks.Enqueue(asking(new(payload={"a": 1}), request_id=request_id), timeout=DEADLINE)
    different = asking(new(**({"payload": {"a": 1}} | other)), request_id=request_id)
    refusal = await refused(server.tasks.Enqueue(different, timeout=DEADLINE))
    assert (refusal.code, refusal.reason, refusal.field) == (INVALID, "REQUEST_ID_REUSED", "request_id")
    assert refusal.facts == {"request_id": request_id, "task": first.task.removeprefix("tasks/")}
    assert server.count("task") == 1


async def test_a_reused_id_in_a_shared_commit_refuses_no_other_caller(server: Calling) -> None:
    request_id = str(uuid.uuid4())
    await server.tasks.Enqueue(asking(new(), request_id=request_id), timeout=DEADLINE)
    bad = server.tasks.Enqueue(asking(new(title="other"), request_id=request_id), timeout=DEADLINE)
    answers = await asyncio.gather(*(server.enqueue() for _ in range(30)), bad, return_exceptions=True)
    assert isinstance(answers[-1], grpc.aio.AioRpcError)
    assert len(set(answers[:-1])) == 30 == server.count("task") - 1


async def test_a_batch_is_answered_in_its_order(server: Calling) -> None:
    requests = [asking(new(title=f"task {n}")) for n in range(20)]
    answer = await server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(requests=requests), timeout=DEADLINE)
    assert [response.receipt for response in answer.responses] == [CREATED] * 20
    titles = [(await server.get(response.task)).title for response in answer.responses]
    assert titles == [f"task {n}" for n in range(20)]


async def test_an_empty_batch_stores_nothing(server: Calling) -> None:
    answer = await server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(), timeout=DEADLINE)
    assert list(answer.responses) == []


@pytest.mark.parametrize(
    ("bad", "reason", "field"),
    [
        (asking(new("Ecko")), "KIND_UNKNOWN", "requests[3].task.kind"),
        (asking(new(payload=b"{")), "PAYLOAD_INVALID", "requests[3].task.payload"),
        (asking(new(title="t" * 201)), "INVALID_ARGUMENT", "requests[3].task.title"),
        (asking(new(due_time=Timestamp(seconds=2**62))), "INVALID_ARGUMENT", "requests[3].task.due_time"),
        (asking(new(), request_id="mine"), "INVALID_ARGUMENT", "requests[3].request_id"),
    ],
    ids=["kind", "payload", "title", "due", "request_id"],
)
async def test_a_batch_with_one_bad_task_stores_none_and_names_it(
    server: Calling, bad: pb.EnqueueRequest, reason: str, field: str
) -> None:
    requests = [asking(new()), asking(new()), asking(new()), bad, asking(new())]
    refusal = await refused(server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(requests=requests), timeout=DEADLINE))
    assert (refusal.code, refusal.reason, refusal.field) == (INVALID, reason, field)
    assert refusal.message.startswith("request 3: ")
    assert server.count("task") == 0


async def test_a_batch_with_a_reused_id_stores_none(server: Calling) -> None:
    request_id = str(uuid.uuid4())
    await server.tasks.Enqueue(asking(new(), request_id=request_id), timeout=DEADLINE)
    requests = [asking(new()), asking(new(title="other"), request_id=request_id)]
    refusal = await refused(server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(requests=requests), timeout=DEADLINE))
    assert (refusal.code, refusal.reason) == (INVALID, "REQUEST_ID_REUSED")
    assert server.count("task") == 1


async def test_a_repeated_batch_gets_the_same_tasks(server: Calling) -> None:
    requests = [asking(new(title=f"{n}"), request_id=str(uuid.uuid4())) for n in range(3)]
    batch = pb.BatchEnqueueRequest(requests=[*requests, requests[0]])
    first = await server.tasks.BatchEnqueue(batch, timeout=DEADLINE)
    assert first.responses[3].task == first.responses[0].task
    again = await server.tasks.BatchEnqueue(batch, timeout=DEADLINE)
    assert [one.task for one in again.responses] == [one.task for one in first.responses]
    assert {one.receipt for one in again.responses} == {REPEATED}
    assert server.count("task") == 3


async def test_a_batch_over_the_limit_is_refused(server: Calling) -> None:
    batch = pb.BatchEnqueueRequest(requests=[asking(new())] * 1_001)
    refusal = await refused(server.tasks.BatchEnqueue(batch, timeout=DEADLINE))
    assert (refusal.code, refusal.field) == (INVALID, "requests")
    one_only = pb.BatchEnqueueRequest(requests=[asking(new(), validate_only=True)])
    refusal = await refused(server.tasks.BatchEnqueue(one_only, timeout=DEADLINE))
    assert (refusal.code, refusal.field) == (INVALID, "requests")
    assert server.count("task") == 0
