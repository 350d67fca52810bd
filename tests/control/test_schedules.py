"""The Schedules service: work that is made by the clock, as operators ask for it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from windlass.core.schedules import Schedule as Planned
from windlass_proto.v1 import schedule_pb2, task_pb2
from windlass_proto.v1 import schedules_service_pb2 as pb

from tests.control.calling import DEADLINE, Calling, State, refused
from tests.waiting import eventually

Schedule = schedule_pb2.Schedule
Outcome = schedule_pb2.Tick.Outcome


def nightly(**changes: Any) -> Schedule:
    facts: dict[str, Any] = {"name": "schedules/nightly", "kind": "Echo", "cron": "30 4 * * *"}
    if "interval" in changes:
        del facts["cron"]
        changes["interval"] = Duration(seconds=changes["interval"])
    return Schedule(**(facts | changes))


async def create(server: Calling, *, validate_only: bool = False, **changes: Any) -> Schedule:
    request = pb.CreateScheduleRequest(schedule=nightly(**changes), validate_only=validate_only)
    return await server.schedules.Create(request, timeout=DEADLINE)


async def update(server: Calling, changed: Schedule, *, validate_only: bool = False) -> Schedule:
    request = pb.UpdateScheduleRequest(schedule=changed, validate_only=validate_only)
    return await server.schedules.Update(request, timeout=DEADLINE)


async def get(server: Calling, name: str = "schedules/nightly") -> Schedule:
    return await server.schedules.Get(pb.GetScheduleRequest(name=name), timeout=DEADLINE)


async def delete(server: Calling, name: str = "schedules/nightly", revision: int = 0) -> None:
    await server.schedules.Delete(pb.DeleteScheduleRequest(name=name, revision=revision), timeout=DEADLINE)


async def pause(server: Calling, name: str = "schedules/nightly", reason: str = "") -> Schedule:
    return await server.schedules.Pause(pb.PauseScheduleRequest(name=name, reason=reason), timeout=DEADLINE)


async def resume(server: Calling, name: str = "schedules/nightly") -> Schedule:
    return await server.schedules.Resume(pb.ResumeScheduleRequest(name=name), timeout=DEADLINE)


async def test_a_new_schedule_is_read_back_with_its_next_ticks_and_its_timing_in_words(server: Calling) -> None:
    made = await create(
        server,
        time_zone="Europe/Berlin",
        payload=task_pb2.Payload(data=b'{"n": 1}'),
        labels={"a": "b"},
        priority=9,
        catch_up=Schedule.CATCH_UP_SKIP,
        overlap=Schedule.OVERLAP_ALLOW,
    )
    assert made == await get(server)
    assert (made.kind, made.title, made.priority, made.pool) == ("Echo", "Echo n", 9, "default"), "the kind's own"
    assert (made.revision, made.owner, made.last_task, made.paused) == (1, "", "", False)
    assert made.payload.data == b'{"n":1}'
    assert (made.catch_up, made.overlap) == (Schedule.CATCH_UP_SKIP, Schedule.OVERLAP_ALLOW)
    assert made.timing_text == "at 04:30 every day, Europe/Berlin"
    assert len(made.next_times) == 5
    assert made.next_times[0] == made.next_time
    times = [at.ToDatetime(UTC) for at in made.next_times]
    assert times == sorted(times)
    assert times[0] > datetime.now(UTC)
    assert await server.audited() == [("Create", "schedules/nightly")]


async def test_what_is_only_checked_is_not_stored(server: Calling) -> None:
    checked = await create(server, validate_only=True, interval=90)
    assert (checked.timing_text, len(checked.next_times)) == ("every 1 minute 30 seconds", 5)
    assert (checked.revision, checked.HasField("create_time")) == (0, False)
    assert (await refused(get(server))).code is grpc.StatusCode.NOT_FOUND
    made = await create(server)
    assert (await refused(create(server, validate_only=True))).reason == "SCHEDULE_EXISTS"
    changed = await update(server, nightly(cron="0 5 * * *", revision=1), validate_only=True)
    assert changed.timing_text == "at 05:00 every day, UTC"
    stale = await refused(update(server, nightly(revision=7), validate_only=True))
    assert (stale.code, stale.facts["revision"]) == (grpc.StatusCode.ABORTED, "1")
    missing = nightly(name="schedules/other")
    assert (await refused(update(server, missing, validate_only=True))).code is grpc.StatusCode.NOT_FOUND
    assert await get(server) == made
    assert await server.audited() == [("Create", "schedules/nightly")]


async def test_a_name_that_is_taken_already_exists(server: Calling) -> None:
    await create(server)
    refusal = await refused(create(server, cron="0 5 * * *"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ALREADY_EXISTS, "SCHEDULE_EXISTS")
    assert (await get(server)).cron == "30 4 * * *"


async def test_a_change_replaces_the_whole_and_leaves_the_pause(server: Calling) -> None:
    await create(server, title="old", paused=True)
    changed = await update(server, nightly(cron="0 5 * * *", revision=1, paused=False))
    assert (changed.cron, changed.title, changed.revision, changed.paused) == ("0 5 * * *", "Echo ", 2, True)
    refusal = await refused(update(server, nightly(revision=1)))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.ABORTED, "SCHEDULE_CHANGED")
    assert (await update(server, nightly())).revision == 3, "revision 0 is whatever is there"
    assert await server.audited() == [(verb, "schedules/nightly") for verb in ("Create", "Update", "Update")]


async def test_a_change_makes_no_schedule(server: Calling) -> None:
    for revision in (0, 1):
        refusal = await refused(update(server, nightly(revision=revision)))
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "SCHEDULE_NOT_FOUND")
    assert await server.audited() == []


async def test_a_plugins_schedule_is_paused_and_run_but_not_changed(server: Calling) -> None:
    await server.kernel._store.schedules.put(Planned("nightly", "Echo", cron="1 1 * * *"), owner="plug")
    assert (await get(server)).owner == "plug"
    for call in (update(server, nightly()), update(server, nightly(revision=1)), delete(server)):
        refusal = await refused(call)
        assert (refusal.code, "plugin plug" in refusal.message) == (grpc.StatusCode.ABORTED, True)
    assert (await pause(server)).paused


async def test_a_deleted_schedule_is_gone(server: Calling) -> None:
    await create(server)
    assert (await refused(delete(server, revision=2))).code is grpc.StatusCode.ABORTED
    await delete(server, revision=1)
    assert (await refused(get(server))).reason == "SCHEDULE_NOT_FOUND"
    assert (await refused(delete(server))).reason == "SCHEDULE_NOT_FOUND"
    assert await server.audited() == [("Create", "schedules/nightly"), ("Delete", "schedules/nightly")]


async def test_a_paused_schedule_has_no_next_tick_until_it_goes_on(server: Calling) -> None:
    await create(server)
    paused = await pause(server, reason="moving house")
    assert (paused.paused, paused.HasField("next_time"), list(paused.next_times)) == (True, False, [])
    assert (await get(server)).paused
    resumed = await resume(server)
    assert (resumed.paused, resumed.HasField("next_time"), len(resumed.next_times)) == (False, True, 5)
    assert (await server.audited())[1:] == [("Pause", "schedules/nightly"), ("Resume", "schedules/nightly")]
    for call in (pause(server, "schedules/no"), resume(server, "schedules/no")):
        assert (await refused(call)).reason == "SCHEDULE_NOT_FOUND"


async def test_a_run_by_hand_makes_its_task_once_a_request(server: Calling) -> None:
    await create(server, paused=True, payload=task_pb2.Payload(data=b'{"n": 1}'))
    request = pb.RunScheduleRequest(name="schedules/nightly", request_id=str(uuid4()))
    made = await server.schedules.Run(request, timeout=DEADLINE)
    task = await server.ended(made.task)
    assert (task.state, task.trigger, task.labels["schedule"]) == (State.STATE_COMPLETED, "operator", "nightly")
    assert task.origin == task_pb2.ORIGIN_USER
    assert (await server.schedules.Run(request, timeout=DEADLINE)).task == made.task
    assert (await get(server)).last_task == made.task
    ticks = (await server.schedules.ListTicks(pb.ListTicksRequest(parent="schedules/nightly"))).ticks
    assert [(tick.outcome, tick.task, tick.reason) for tick in ticks] == [
        (Outcome.OUTCOME_BY_HAND, made.task, f"by {task.initiator}")
    ]
    listed = (await server.schedules.List(pb.ListSchedulesRequest(), timeout=DEADLINE)).schedules
    assert [each.last_tick for each in listed] == list(ticks)
    assert await server.audited() == [("Create", "schedules/nightly"), ("Run", "schedules/nightly")]
    other = pb.RunScheduleRequest(name="schedules/no")
    assert (await refused(server.schedules.Run(other, timeout=DEADLINE))).reason == "SCHEDULE_NOT_FOUND"


async def test_a_schedule_ticks_and_its_ledger_is_paged_newest_first(server: Calling) -> None:
    await create(server, interval=1)
    parent = "schedules/nightly"

    async def three() -> list[schedule_pb2.Tick] | None:
        reply = await server.schedules.ListTicks(pb.ListTicksRequest(parent=parent), timeout=DEADLINE)
        return list(reply.ticks) if len(reply.ticks) >= 3 else None

    newest = await eventually(three)
    assert newest is not None
    await pause(server)
    found: list[schedule_pb2.Tick] = []
    request = pb.ListTicksRequest(parent=parent, page_size=2)
    while True:
        reply = await server.schedules.ListTicks(request, timeout=DEADLINE)
        found += reply.ticks
        request.page_token = reply.next_page_token
        if not reply.next_page_token:
            break
    assert found[-3:] == newest[-3:]
    due = [tick.due_time.ToDatetime(UTC) for tick in found]
    assert due == sorted(due, reverse=True)
    ran = [tick for tick in found if tick.outcome == Outcome.OUTCOME_RAN]
    assert ran
    assert ran[-1].name.startswith(f"{parent}/ticks/")
    assert ran[-1].decide_time.ToDatetime(UTC) - ran[-1].due_time.ToDatetime(UTC) < timedelta(seconds=5)


async def test_schedules_are_listed_by_name_in_pages_without_their_next_few_ticks(server: Calling) -> None:
    for name in ("c", "a", "b"):
        await create(server, name=f"schedules/{name}")
    first = await server.schedules.List(pb.ListSchedulesRequest(page_size=2), timeout=DEADLINE)
    rest = await server.schedules.List(
        pb.ListSchedulesRequest(page_size=2, page_token=first.next_page_token), timeout=DEADLINE
    )
    found = [*first.schedules, *rest.schedules]
    assert [one.name for one in found] == ["schedules/a", "schedules/b", "schedules/c"]
    assert rest.next_page_token == ""
    assert [(len(one.next_times), one.HasField("next_time")) for one in found] == [(0, True)] * 3
    foreign = pb.ListTicksRequest(parent="schedules/a", page_token=first.next_page_token)
    assert (await refused(server.schedules.ListTicks(foreign, timeout=DEADLINE))).reason == "PAGE_TOKEN_INVALID"


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "nightly"}, "schedule.name", "must look like schedules/"),
        ({"name": "schedules/"}, "schedule.name", "must look like schedules/"),
        ({"name": "schedules/every day"}, "schedule.name", "1 to 100 characters"),
        ({"cron": "61 * * * *"}, "schedule.cron", "minute '61' is wrong"),
        ({"cron": ""}, "schedule.cron", "not five"),
        ({"time_zone": "Europe/Berln"}, "schedule.time_zone", "did you mean Europe/Berlin?"),
        ({"interval": 0}, "schedule.interval", "from 1 s to 366 days"),
        ({"interval": 10**11}, "schedule.interval", "366 days"),
        ({"kind": "Ecko"}, "schedule.kind", "did you mean Echo?"),
        ({"pool": "nowhere"}, "schedule.pool", "there is no pool"),
        ({"priority": 101}, "schedule.priority", "from 0 to 100"),
        ({"title": "x" * 201}, "schedule.title", "at most 200"),
        ({"labels": {"a": "\0"}}, "schedule.labels.a", "NUL"),
        ({"catch_up": 9}, "schedule.catch_up", "none that is known"),
        ({"overlap": 9}, "schedule.overlap", "none that is known"),
        ({"catch_up": 3}, "schedule.overlap", "set overlap to allow"),
        ({"payload": task_pb2.Payload(data=b"{")}, "schedule.payload", "no JSON"),
        ({"payload": task_pb2.Payload(data=b'{"a": "b"}')}, "schedule.payload", "does not fit Echo"),
        ({"payload": task_pb2.Payload(data=b'{"\\u0000": 1}')}, "schedule.payload", "NUL"),
        ({"payload": task_pb2.Payload(content_type="text/x")}, "schedule.payload.content_type", "application/json"),
    ],
)
async def test_a_schedule_that_can_not_work_is_refused_with_its_field(
    server: Calling, changes: dict[str, Any], field: str, words: str
) -> None:
    for call in (create(server, **changes), create(server, validate_only=True, **changes)):
        refusal = await refused(call)
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
        assert words in refusal.message
    assert server.count("schedule") == 0
    assert await server.audited() == []


async def test_bad_requests_name_their_field(server: Calling) -> None:
    stub = server.schedules
    calls: list[tuple[Any, str]] = [
        (stub.Get(pb.GetScheduleRequest(name="tasks/1")), "name"),
        (stub.Delete(pb.DeleteScheduleRequest(name="schedules/a", revision=-1)), "revision"),
        (stub.Update(pb.UpdateScheduleRequest(schedule=nightly(revision=-1))), "schedule.revision"),
        (stub.Pause(pb.PauseScheduleRequest(name="schedules/a", reason="x" * 501)), "reason"),
        (stub.Resume(pb.ResumeScheduleRequest(name="schedules/a", reason="\0")), "reason"),
        (stub.List(pb.ListSchedulesRequest(page_size=-1)), "page_size"),
        (stub.List(pb.ListSchedulesRequest(page_token="?")), "page_token"),
        (stub.ListTicks(pb.ListTicksRequest(parent="a")), "parent"),
    ]
    for call, field in calls:
        refusal = await refused(call)
        assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, field)
    await create(server)
    run = pb.RunScheduleRequest(name="schedules/nightly", request_id="no uuid")
    assert (await refused(stub.Run(run, timeout=DEADLINE))).field == "request_id"


async def test_of_two_that_create_at_once_one_wins(server: Calling) -> None:
    answers = await asyncio.gather(*(create(server) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(answer, Schedule) for answer in answers) == 1
    assert await server.audited() == [("Create", "schedules/nightly")]
