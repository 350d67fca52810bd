"""What stands between a task and its start, as clients ask for it and are told of it."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from windlass_proto.v1 import history_service_pb2 as hist
from windlass_proto.v1 import task_pb2
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, new, refused
from tests.control.test_enqueue import later

Kind = pb.Gate.Kind


async def enqueue(server: Calling, kind: str = "Echo", payload: Any = None, **task: Any) -> pb.EnqueueResponse:
    request = pb.EnqueueRequest(task=new(kind, payload, **task), request_id=str(uuid4()))
    return await server.tasks.Enqueue(request, timeout=DEADLINE)


async def explained(server: Calling, name: str) -> list[tuple[int, str]]:
    reply = await server.tasks.Explain(pb.ExplainRequest(name=name), timeout=DEADLINE)
    assert all(gate.clears for gate in reply.gates)
    return [(gate.kind, gate.why) for gate in reply.gates]


async def retry(server: Calling, name: str, request_id: str = "") -> pb.EnqueueResponse:
    return await server.tasks.Retry(pb.RetryTaskRequest(name=name, request_id=request_id), timeout=DEADLINE)


async def test_a_request_joins_the_waiting_task_of_its_key_and_is_told_so(server: Calling) -> None:
    first = await enqueue(server, coalesce_key="k", due_time=later())
    assert (first.receipt, first.state, first.joined) == (first.RECEIPT_CREATED, State.STATE_PENDING, 0)
    second = await enqueue(server, payload={"more": 1}, coalesce_key="k", priority=9)
    assert (second.receipt, second.task, second.joined) == (second.RECEIPT_JOINED, first.task, 1)
    assert second.state == State.STATE_PENDING
    found = await server.ended(first.task)
    assert (found.coalesce_key, found.priority) == ("k", 9)
    assert found.result.data == b'{"more": 1}', "the later request replaces the earlier one, as nobody merges them"
    card = await server.history.Get(hist.GetCardRequest(name=first.task.replace("tasks", "cards")), timeout=DEADLINE)
    assert [(one.running, one.initiator, one.trigger) for one in card.joined] == [(False, found.initiator, "api")]


async def test_a_follow_up_waits_and_says_for_whom(server: Calling) -> None:
    first = (await enqueue(server, "Wait", coalesce_key="k")).task
    await server.at(first, State.STATE_RUNNING)
    second = await enqueue(server, "Wait", coalesce_key="k")
    assert (second.receipt, second.task != first) == (second.RECEIPT_CREATED, True)
    [(kind, why)] = await explained(server, second.task)
    assert (kind, first.removeprefix("tasks/") in why) == (Kind.KIND_TWIN, True)
    server.wait.gate.set()
    assert (await server.ended(second.task)).state == State.STATE_COMPLETED


async def test_a_concurrency_key_lets_one_run_at_a_time(server: Calling) -> None:
    key = task_pb2.Concurrency(key="printer")
    first = (await enqueue(server, "Wait", concurrency=key)).task
    await server.at(first, State.STATE_RUNNING)
    second = (await enqueue(server, "Wait", concurrency=key)).task
    [(kind, why)] = await explained(server, second)
    assert (kind, "'printer'" in why) == (Kind.KIND_KEY_BUSY, True)
    server.wait.gate.set()
    await server.ended(second)


async def test_a_task_after_others_runs_when_they_have_ended(server: Calling) -> None:
    first = (await enqueue(server, "Wait")).task
    second = (await enqueue(server, after=[first], after_success=True)).task
    assert [kind for kind, _ in await explained(server, second)] == [Kind.KIND_DEPENDENCIES]
    server.wait.gate.set()
    assert (await server.ended(second)).state == State.STATE_COMPLETED


async def test_a_task_that_is_not_due_says_so(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    assert [kind for kind, _ in await explained(server, name)] == [Kind.KIND_NOT_DUE]
    soon = await explained(server, await server.enqueue("Wait"))
    assert [kind for kind, _ in soon] in ([], [Kind.KIND_CLAIMED])


async def test_a_retry_from_history_is_a_new_task_that_names_the_old(server: Calling) -> None:
    old = await server.enqueue(payload={"fail": 1}, labels={"team": "a"}, priority=8)
    await server.ended(old)
    request_id = str(uuid4())
    receipt = await retry(server, old, request_id)
    again = await server.ended(receipt.task)
    assert (again.retry_of, again.trigger, again.payload.data) == (old, "retry", b'{"fail": 1}')
    assert (dict(again.labels), again.priority, again.title) == ({"team": "a"}, 8, "Echo fail")
    assert (await retry(server, old, request_id)).task == receipt.task, "the same request makes no second task"
    assert (await retry(server, old, str(uuid4()))).task != receipt.task


async def test_what_has_not_ended_is_not_retried(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    assert (await refused(retry(server, name))).reason == "TASK_IN_QUEUE"
    assert (await refused(retry(server, "tasks/4711"))).reason == "TASK_NOT_FOUND"


async def test_a_waiting_task_gets_another_priority(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    found = await server.tasks.Reprioritize(pb.ReprioritizeRequest(name=name, priority=12), timeout=DEADLINE)
    assert found.priority == 12
    call = server.tasks.Reprioritize(pb.ReprioritizeRequest(name=name, priority=101), timeout=DEADLINE)
    assert (await refused(call)).reason == "INVALID_ARGUMENT"
    over = await server.enqueue()
    await server.ended(over)
    call = server.tasks.Reprioritize(pb.ReprioritizeRequest(name=over, priority=1), timeout=DEADLINE)
    assert (await refused(call)).reason == "TASK_OVER"


async def test_nobody_explains_a_task_that_does_not_exist(server: Calling) -> None:
    assert (await refused(explained(server, "tasks/4711"))).reason == "TASK_NOT_FOUND"
