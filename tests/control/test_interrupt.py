"""Interrupt: what it does to a task in each state."""

from __future__ import annotations

import grpc
import pytest
from windlass_proto.v1 import history_service_pb2 as hist
from windlass_proto.v1 import task_pb2
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused
from tests.control.test_enqueue import later


async def interrupt(server: Calling, name: str, reason: str = "") -> task_pb2.Task:
    return await server.tasks.Interrupt(pb.InterruptRequest(name=name, reason=reason), timeout=DEADLINE)


async def test_a_waiting_task_is_canceled_at_once(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    found = await interrupt(server, name, "not needed")
    assert found.state == State.STATE_CANCELED
    assert found.message == f"interrupted by {found.initiator}: not needed"
    assert not found.HasField("start_time")
    assert found.HasField("end_time")
    card = await server.history.Get(hist.GetCardRequest(name=name.replace("tasks", "cards")), timeout=DEADLINE)
    assert (card.state, list(card.attempts)) == (hist.Card.STATE_CANCELED, [])
    assert [event.state.state for event in await server.watched(name)] == [State.STATE_PENDING, State.STATE_CANCELED]


async def test_a_running_task_is_being_canceled_then_canceled(server: Calling) -> None:
    server.wait.obeys = False
    name = await server.enqueue("Wait")
    await server.at(name, State.STATE_RUNNING)
    assert (await interrupt(server, name, "why not")).state == State.STATE_CANCELLING
    again = await interrupt(server, name, "another reason")
    assert again.state in (State.STATE_CANCELLING, State.STATE_CANCELED)
    found = await server.ended(name)
    assert found.state == State.STATE_CANCELED
    assert found.message == f"interrupted by {found.initiator}: why not; it was cancelled"


async def test_a_task_that_has_ended_is_over(server: Calling) -> None:
    for payload, word in (({"a": 1}, "COMPLETED"), ({"fail": 1}, "FAILED")):
        name = await server.enqueue(payload=payload)
        before = await server.ended(name)
        refusal = await refused(interrupt(server, name))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "TASK_OVER")
        assert refusal.facts == {"task": name.removeprefix("tasks/"), "state": word}
        assert await server.get(name) == before


async def test_a_canceled_task_is_over(server: Calling) -> None:
    name = await server.enqueue(due_time=later())
    await interrupt(server, name)
    assert (await refused(interrupt(server, name))).reason == "TASK_OVER"


@pytest.mark.parametrize("reason", ["x" * 501, "a\0b"])
async def test_a_reason_that_can_not_be_kept_is_refused_and_nothing_is_interrupted(
    server: Calling, reason: str
) -> None:
    name = await server.enqueue(due_time=later())
    refusal = await refused(interrupt(server, name, reason))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "reason")
    assert (await server.get(name)).state == State.STATE_PENDING
