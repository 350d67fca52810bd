"""Schedules and their ticks: protobuf on one side, the kernel's records on the other."""

from __future__ import annotations

from datetime import datetime

import msgspec
from windlass_proto.v1 import schedule_pb2

from windlass.control.values import payload, read_name, read_payload, read_seconds, span, timestamp
from windlass.core.schedules import CatchUp, Overlap, Schedule
from windlass.core.timing import next_ticks, timing_text
from windlass.errors import InvalidArgument
from windlass.store.schedules import ScheduleFacts, TickFacts

TICKS_SHOWN = 5
CATCH_UPS = {
    schedule_pb2.Schedule.CATCH_UP_UNSPECIFIED: CatchUp.ONE,
    schedule_pb2.Schedule.CATCH_UP_SKIP: CatchUp.SKIP,
    schedule_pb2.Schedule.CATCH_UP_ONE: CatchUp.ONE,
    schedule_pb2.Schedule.CATCH_UP_ALL: CatchUp.ALL,
}
OVERLAPS = {
    schedule_pb2.Schedule.OVERLAP_UNSPECIFIED: Overlap.SKIP,
    schedule_pb2.Schedule.OVERLAP_SKIP: Overlap.SKIP,
    schedule_pb2.Schedule.OVERLAP_ALLOW: Overlap.ALLOW,
}


def read_schedule(message: schedule_pb2.Schedule) -> Schedule:
    """A schedule as it was asked for; what only the server says is ignored."""
    if message.catch_up not in CATCH_UPS or message.overlap not in OVERLAPS:
        field = "schedule.overlap" if message.catch_up in CATCH_UPS else "schedule.catch_up"
        raise InvalidArgument(f"{field} is none that is known", field=field)
    return Schedule(
        name=read_name(message.name, "schedules", "schedule.name"),
        kind=message.kind,
        cron=message.cron if message.HasField("cron") else None,
        zone=message.time_zone or "UTC",
        interval=read_seconds(message.interval, "schedule.interval") if message.HasField("interval") else None,
        payload=_read_json(message),
        title=message.title,
        priority=message.priority if message.HasField("priority") else None,
        pool=message.pool,
        labels=dict(message.labels),
        catch_up=CATCH_UPS[message.catch_up],
        overlap=OVERLAPS[message.overlap],
        paused=message.paused,
    )


def _read_json(message: schedule_pb2.Schedule) -> object:
    try:
        return msgspec.json.decode(read_payload(message.payload, "schedule.payload"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidArgument(f"schedule.payload is no JSON: {error}", field="schedule.payload") from error


def schedule(facts: ScheduleFacts, now: datetime, ticks: int = TICKS_SHOWN) -> schedule_pb2.Schedule:
    """With its next `ticks` ticks; `next_time` is there in any case."""
    what, coming = facts.schedule, next_ticks(facts.schedule, facts.standing, now, max(1, ticks))
    message = schedule_pb2.Schedule(
        name=f"schedules/{what.name}",
        cron=what.cron or "",
        interval=span(what.interval),
        time_zone=what.zone,
        kind=what.kind,
        payload=payload(msgspec.json.encode(what.payload)),
        title=what.title,
        priority=what.priority,
        pool=what.pool,
        labels=what.labels,
        catch_up=schedule_pb2.Schedule.CatchUp.Value(f"CATCH_UP_{what.catch_up.name}"),
        overlap=schedule_pb2.Schedule.Overlap.Value(f"OVERLAP_{what.overlap.name}"),
        paused=what.paused,
        owner=facts.owner or "",
        revision=facts.revision,
        last_task="" if facts.last_task is None else f"tasks/{facts.last_task}",
        timing_text=timing_text(what),
        last_tick=None if facts.last_tick is None else tick(facts.last_tick),
    )
    if facts.revision:
        # Without one it was only checked.
        message.create_time.FromDatetime(facts.created_at)
    for at in coming[:ticks]:
        message.next_times.add().FromDatetime(at)
    if coming:
        message.next_time.FromDatetime(coming[0])
    return message


def tick(facts: TickFacts) -> schedule_pb2.Tick:
    return schedule_pb2.Tick(
        name=f"schedules/{facts.schedule}/ticks/{facts.id}",
        due_time=timestamp(facts.due_at),
        decide_time=timestamp(facts.at),
        outcome=int(facts.outcome),  # type: ignore[arg-type]
        reason=facts.reason,
        task="" if facts.task is None else f"tasks/{facts.task}",
    )
