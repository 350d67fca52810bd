"""Bulk actions: what is looked at, what is done, by whom, how fast, and that it ends."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Iterable
from typing import Any

import grpc
import msgspec
import pytest
from windlass.core.access import Role
from windlass.errors import FilterTooBroad
from windlass.store.facts import Note
from windlass.store.port import Store
from windlass_proto.v1 import tasks_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, calling, new, refused
from tests.waiting import eventually

REASON = "the feed was broken"
LATER = 3_600


async def waiting(server: Calling, count: int, **task: Any) -> list[str]:
    """Tasks that are not due for an hour."""
    requests = []
    for _ in range(count):
        made = new(**task)
        made.due_time.GetCurrentTime()
        made.due_time.seconds += LATER
        requests.append(pb.EnqueueRequest(task=made))
    answer = await server.tasks.BatchEnqueue(pb.BatchEnqueueRequest(requests=requests), timeout=DEADLINE)
    return [one.task for one in answer.responses]


async def interrupt(server: Calling, filter_: str, **more: Any) -> pb.BulkResponse:
    words: dict[str, Any] = {"reason": REASON, "rate": 1_000} | more
    request = pb.BulkInterruptRequest(filter=filter_, **words)
    return await server.tasks.BulkInterrupt(request, timeout=DEADLINE)


async def retry(server: Calling, filter_: str, **more: Any) -> pb.BulkResponse:
    words: dict[str, Any] = {"reason": REASON, "rate": 1_000} | more
    request = pb.BulkRetryRequest(filter=filter_, **words)
    return await server.tasks.BulkRetry(request, timeout=DEADLINE)


async def result(server: Calling, answer: pb.BulkResponse) -> Any:
    task = await server.ended(answer.task)
    assert task.state == State.STATE_COMPLETED, task.message
    return json.loads(task.result.data)


async def states(server: Calling, names: Iterable[str]) -> set[int]:
    return {(await server.get(name)).state for name in names}


async def notes(server: Calling) -> list[Note]:
    return [entry.note for entry in (await server.kernel.audit.entries(100)).items]


async def test_a_dry_run_says_what_would_be_done_and_does_nothing(server: Calling) -> None:
    names = await waiting(server, 7, labels={"team": "blue"})
    await waiting(server, 3)
    answer = await interrupt(server, 'labels.team = "blue"', validate_only=True)
    assert (answer.task, answer.matching, answer.is_more) == ("", 7, False)
    assert [sample.name for sample in answer.samples] == names[:5]
    assert not answer.samples[0].HasField("payload")
    assert await states(server, names) == {State.STATE_PENDING}
    assert (server.count("task"), await notes(server)) == (10, [])


async def test_every_task_that_matches_is_interrupted_and_says_by_whom_and_why(server: Calling) -> None:
    blue, red = await waiting(server, 30, title="blue"), await waiting(server, 5, title="red")
    running = await server.enqueue("Wait", title="blue")
    await server.at(running, State.STATE_RUNNING)
    answer = await interrupt(server, 'title = "blue"')
    assert answer.matching == 31
    assert await result(server, answer) == {"matched": 31, "done": 31, "skipped": {}}
    assert await states(server, blue) == {State.STATE_CANCELED}
    assert (await server.ended(running)).state == State.STATE_CANCELED
    assert await states(server, red) == {State.STATE_PENDING}
    told = await server.get(blue[0])
    [note] = await notes(server)
    assert told.message == f"interrupted by {note.subject}: {REASON}"


async def test_a_bulk_call_has_one_audit_row_and_one_task_however_often_it_is_made(server: Calling) -> None:
    await waiting(server, 12)
    once = str(uuid.uuid4())
    answers = [await interrupt(server, "id > 0", request_id=once) for _ in range(3)]
    assert len({answer.task for answer in answers}) == 1
    await server.ended(answers[0].task)
    [note] = await notes(server)
    assert (note.method, note.resource, note.reason) == ("windlass.v1.Tasks/BulkInterrupt", "tasks", REASON)
    assert json.loads(note.request)["filter"] == "id > 0"


async def test_all_means_all_but_the_bulk_task_itself(server: Calling) -> None:
    await waiting(server, 4)
    answer = await interrupt(server, "id > 0")
    assert (await result(server, answer))["matched"] == 4


async def test_a_retry_of_all_that_failed_ends_although_its_products_fail_as_well(server: Calling) -> None:
    failed = [await server.enqueue(payload={"fail": n}) for n in range(15)]
    for name in failed:
        await server.ended(name)
    answer = await retry(server, "state = FAILED")
    assert answer.matching == 15
    assert await result(server, answer) == {"matched": 15, "done": 15, "skipped": {}}
    await eventually(lambda: server.count("outcome where state = 5") == 30)
    found = await server.tasks.List(
        pb.ListTasksRequest(filter=f'labels.bulk = "{answer.task}"', page_size=100), timeout=DEADLINE
    )
    assert found.tasks == [] or {task.trigger for task in found.tasks} == {"retry"}
    assert server.count("task where retry_of is not null") == 15
    assert server.count("task where labels ->> 'reason' = 'the feed was broken'") == 15


async def test_what_can_not_be_done_is_skipped_and_counted(server: Calling) -> None:
    await server.ended(await server.enqueue())
    first = await interrupt(server, 'kind = "Nothing"')
    await server.ended(first.task)
    answer = await retry(server, "id > 0")
    assert await result(server, answer) == {"matched": 2, "done": 1, "skipped": {"KIND_RESERVED": 1}}


async def test_a_new_priority_for_all_that_match(server: Calling) -> None:
    names = await waiting(server, 9)
    request = pb.BulkReprioritizeRequest(filter="priority = 5", reason=REASON, priority=50)
    answer = await server.tasks.BulkReprioritize(request, timeout=DEADLINE)
    assert await result(server, answer) == {"matched": 9, "done": 9, "skipped": {}}
    assert {(await server.get(name)).priority for name in names} == {50}


async def test_it_keeps_its_rate_shows_its_progress_and_ends_when_it_is_interrupted(server: Calling) -> None:
    names = await waiting(server, 60)
    answer = await interrupt(server, "id > 0", rate=20)

    async def halfway() -> bool:
        task = await server.get(answer.task)
        return 20 <= task.progress.current < 60 and task.progress.total == 60

    await eventually(halfway, 15)
    await server.tasks.Interrupt(pb.InterruptRequest(name=answer.task), timeout=DEADLINE)
    assert (await server.ended(answer.task)).state == State.STATE_CANCELED
    left = [name for name in names if (await server.get(name)).state == State.STATE_PENDING]
    assert 0 < len(left) <= 40
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.Event().wait(), 1.2)
    assert [name for name in names if (await server.get(name)).state == State.STATE_PENDING] == left


async def test_another_attempt_goes_on_where_the_last_one_stopped_and_repeats_nothing(dsn: str, store: Store) -> None:
    async with calling(dsn, store) as server:
        failed = [await server.enqueue(payload={"fail": n}) for n in range(40)]
        for name in failed:
            await server.ended(name)
        answer = await retry(server, "state = FAILED", rate=20)
        await eventually(lambda: server.count("step where text like '%asked again%'") == 1, 20)
        # Handed back by the end of this server, as by a deploy.
    async with calling(dsn, store) as server:
        found = await result(server, answer)
        assert found == {"matched": 40, "done": 40, "skipped": {}}
        assert (await server.get(answer.task)).attempt >= 2
        assert server.count("task where retry_of is not null") == 40
        steps = [event.step for event in await server.watched(answer.task) if event.HasField("step")]
        told = [task for step in steps for task in json.loads(step.data.data)["tasks"]]
        assert [f"tasks/{task}" for task in told] == failed


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no filter": ({"filter": ""}, "filter", "id > 0"),
    "blank filter": ({"filter": "  "}, "filter", "id > 0"),
    "unknown field": ({"filter": "colour = 1"}, "filter", "colour"),
    "no reason": ({"reason": ""}, "reason", "say why"),
    "long reason": ({"reason": "r" * 501}, "reason", "500"),
    "negative rate": ({"rate": -1}, "rate", "from 1 to 1000"),
    "rate": ({"rate": 1_001}, "rate", "from 1 to 1000"),
    "request_id": ({"request_id": "mine"}, "request_id", "UUID"),
}


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_order_is_refused_with_its_field(server: Calling, bad: str) -> None:
    change, field, words = BAD[bad]
    calls: list[tuple[Any, Any]] = [
        (pb.BulkInterruptRequest, server.tasks.BulkInterrupt),
        (pb.BulkRetryRequest, server.tasks.BulkRetry),
        (pb.BulkReprioritizeRequest, server.tasks.BulkReprioritize),
    ]
    for message, rpc in calls:
        request = message(**({"filter": "id > 0", "reason": REASON} | change))
        refusal = await refused(rpc(request, timeout=DEADLINE))
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
        assert words in refusal.message
    assert (server.count("task"), await notes(server)) == (0, [])


async def test_a_priority_that_there_is_not_is_refused(server: Calling) -> None:
    request = pb.BulkReprioritizeRequest(filter="id > 0", reason=REASON, priority=101)
    refusal = await refused(server.tasks.BulkReprioritize(request, timeout=DEADLINE))
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "priority")


@pytest.mark.parametrize("kind", ["BulkInterrupt", "BulkRetry", "BulkReprioritize"])
async def test_nobody_makes_such_a_task_by_another_way(server: Calling, kind: str) -> None:
    payload = {"filter": "id > 0", "reason": "mine", "by": "the boss", "origin": 1}
    ways: list[Any] = [
        server.tasks.Enqueue(pb.EnqueueRequest(task=new(kind, payload)), timeout=DEADLINE),
        server.tasks.BatchEnqueue(
            pb.BatchEnqueueRequest(requests=[pb.EnqueueRequest(task=new(kind, payload))]), timeout=DEADLINE
        ),
    ]
    for way in ways:
        refusal = await refused(way)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "KIND_RESERVED")
        assert f"Tasks.{kind}" in refusal.message
    assert server.count("task") == 0


async def test_a_bulk_task_is_not_asked_for_again(server: Calling) -> None:
    answer = await interrupt(server, 'kind = "Nothing"')
    await server.ended(answer.task)
    refusal = await refused(server.tasks.Retry(pb.RetryTaskRequest(name=answer.task), timeout=DEADLINE))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "KIND_RESERVED")


async def test_the_scope_of_the_asker_binds_the_work(dsn: str, store: Store) -> None:
    async with calling(dsn, store, pools={"default": 4, "feeds": 2}) as server:
        mine, others = await waiting(server, 6, pool="feeds"), await waiting(server, 6)
        _, secret = await server.token(Role.OPERATOR, "feeds")
        async with server.holder(secret) as scoped:
            answer = await interrupt(scoped, "id > 0")
            assert answer.matching == 6
            assert await result(scoped, answer) == {"matched": 6, "done": 6, "skipped": {}}
            seen = await scoped.get(answer.task)
        # What waits in its pool may be what it is to stop: it goes first.
        assert (seen.pool, seen.priority, seen.initiator) == ("feeds", 100, "a operator")
        assert await states(server, mine) == {State.STATE_CANCELED}
        assert await states(server, others) == {State.STATE_PENDING}
        payload = msgspec.json.decode(seen.payload.data)
        assert payload["pools"] == ["feeds"]


async def test_a_search_that_becomes_too_broad_ends_it_and_says_how_far_it_came(
    server: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, looks = server.kernel.library, 0
    search = library.ids_matching

    async def tires(*asked: Any) -> list[int]:
        nonlocal looks
        looks += 1
        if looks > 2:  # the first one was for the answer of the call
            raise FilterTooBroad("that looks through too many tasks")
        return await search(*asked)

    names = await waiting(server, 3)
    monkeypatch.setattr(library, "ids_matching", tires)
    answer = await interrupt(server, "id > 0", rate=2)
    task = await server.ended(answer.task)
    assert (task.state, task.attempt) == (State.STATE_FAILED, 1)
    assert "narrow the filter" in task.message
    assert json.loads(task.result.data)["done"] == 2
    assert (await server.get(names[2])).state == State.STATE_PENDING
