"""`client.schedules`: work that is made by the clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import uuid4

from windlass_proto.v1 import schedule_pb2, schedules_service_pb2, schedules_service_pb2_grpc

from windlass_client import convert
from windlass_client.connection import Connection
from windlass_client.errors import InvalidArgument
from windlass_client.paging import Page, all_items
from windlass_client.reading import Name, read
from windlass_client.resources import Receipt


class CatchUp(StrEnum):
    """What becomes of ticks that nobody was there for; UNSPECIFIED means ONE."""

    UNSPECIFIED = "UNSPECIFIED"
    SKIP = "SKIP"
    ONE = "ONE"
    ALL = "ALL"


class Overlap(StrEnum):
    """What becomes of a tick while the task of the one before has not ended; UNSPECIFIED means SKIP."""

    UNSPECIFIED = "UNSPECIFIED"
    SKIP = "SKIP"
    ALLOW = "ALLOW"


class TickOutcome(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    RAN = "RAN"
    SKIPPED = "SKIPPED"
    CAUGHT_UP = "CAUGHT_UP"
    BY_HAND = "BY_HAND"


@dataclass(frozen=True, slots=True)
class Tick:
    """One line of a schedule's ledger."""

    id: int
    due_time: datetime | None
    decide_time: datetime | None
    outcome: TickOutcome
    reason: str
    task: int | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """What is to be made when: write one for `create`, `dataclasses.replace` one that was read for `update`.

    cron: five fields, read in `time_zone` (an IANA name; empty: UTC).  interval: seconds.  One of the two.
    priority None means 5, an empty pool the kind's own.  paused: for `create`; an update leaves it as it is.
    """

    name: Name
    kind: str
    payload: Any = None
    cron: str = field(default="", kw_only=True)
    interval: float | None = field(default=None, kw_only=True)
    time_zone: str = field(default="", kw_only=True)
    title: str = field(default="", kw_only=True)
    priority: int | None = field(default=None, kw_only=True)
    pool: str = field(default="", kw_only=True)
    labels: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    catch_up: CatchUp = field(default=CatchUp.UNSPECIFIED, kw_only=True)
    overlap: Overlap = field(default=Overlap.UNSPECIFIED, kw_only=True)
    paused: bool = field(default=False, kw_only=True)
    revision: int = field(default=0, kw_only=True)
    """An update is refused (Aborted) when the schedule is at another one by now; 0 means whatever is there."""

    # What follows is said by the server.
    owner: str = field(default="", kw_only=True)
    create_time: datetime | None = field(default=None, kw_only=True)
    next_time: datetime | None = field(default=None, kw_only=True)
    next_times: tuple[datetime, ...] = field(default=(), kw_only=True)
    last_task: int | None = field(default=None, kw_only=True)
    timing_text: str = field(default="", kw_only=True)
    last_tick: Tick | None = field(default=None, kw_only=True)
    """The newest line of its ledger; None while there is none, and from an older server."""


class Schedules:
    """Names are plain: `nightly`, not `schedules/nightly`.

    When the answer to a change is lost and the call tried again, the change is refused as done: AlreadyExists for
    `create`, Aborted for `update`, NotFound for `delete`.
    """

    def __init__(self, connection: Connection) -> None:
        self._call = connection.call
        self._stub = schedules_service_pb2_grpc.SchedulesStub(connection.channel)

    async def create(self, schedule: Schedule, *, dry_run: bool = False) -> Schedule:
        """AlreadyExists when there is one of that name; with `dry_run` everything is checked and nothing stored."""
        request = schedules_service_pb2.CreateScheduleRequest(schedule=_message(schedule), validate_only=dry_run)
        return read(Schedule, await self._call(self._stub.Create, request))

    async def get(self, name: str) -> Schedule:
        """With its next ticks."""
        request = schedules_service_pb2.GetScheduleRequest(name=f"schedules/{name}")
        return read(Schedule, await self._call(self._stub.Get, request))

    def list(self, *, page_size: int = 0) -> AsyncGenerator[Schedule, None]:
        """By name."""
        return all_items(lambda token: self.page(page_size=page_size, page_token=token))

    async def page(self, *, page_size: int = 0, page_token: str = "") -> Page[Schedule]:
        request = schedules_service_pb2.ListSchedulesRequest(page_size=page_size, page_token=page_token)
        reply = await self._call(self._stub.List, request)
        return Page(tuple(read(Schedule, each) for each in reply.schedules), reply.next_page_token)

    async def update(self, schedule: Schedule, *, dry_run: bool = False) -> Schedule:
        """Replaces it as a whole; Aborted when it changed since the revision that was read, or belongs to a plugin."""
        request = schedules_service_pb2.UpdateScheduleRequest(schedule=_message(schedule), validate_only=dry_run)
        return read(Schedule, await self._call(self._stub.Update, request))

    async def delete(self, name: str, *, revision: int = 0) -> None:
        """Its ledger stays.  Revision 0 means whatever is there."""
        request = schedules_service_pb2.DeleteScheduleRequest(name=f"schedules/{name}", revision=revision)
        await self._call(self._stub.Delete, request)

    async def pause(self, name: str, reason: str = "") -> Schedule:
        """Skips every tick from now on."""
        request = schedules_service_pb2.PauseScheduleRequest(name=f"schedules/{name}", reason=reason)
        return read(Schedule, await self._call(self._stub.Pause, request))

    async def resume(self, name: str, reason: str = "") -> Schedule:
        """Goes on with the next tick."""
        request = schedules_service_pb2.ResumeScheduleRequest(name=f"schedules/{name}", reason=reason)
        return read(Schedule, await self._call(self._stub.Resume, request))

    async def run(self, name: str, request_id: str | None = None) -> Receipt:
        """Makes its task at once, paused or not; `client.result(receipt.id)` waits for it."""
        name = f"schedules/{name}"
        request = schedules_service_pb2.RunScheduleRequest(name=name, request_id=request_id or str(uuid4()))
        return convert.receipt(await self._call(self._stub.Run, request))

    def ticks(self, name: str, *, page_size: int = 0) -> AsyncGenerator[Tick, None]:
        """What became of its ticks, the newest first."""
        return all_items(lambda token: self.tick_page(name, page_size=page_size, page_token=token))

    async def tick_page(self, name: str, *, page_size: int = 0, page_token: str = "") -> Page[Tick]:
        name = f"schedules/{name}"
        request = schedules_service_pb2.ListTicksRequest(parent=name, page_size=page_size, page_token=page_token)
        reply = await self._call(self._stub.ListTicks, request)
        return Page(tuple(read(Tick, each) for each in reply.ticks), reply.next_page_token)


def _message(schedule: Schedule) -> schedule_pb2.Schedule:
    """InvalidArgument when a value cannot even be written down."""
    try:
        message = schedule_pb2.Schedule(
            name=f"schedules/{schedule.name}",
            kind=schedule.kind,
            payload=convert.json_payload(schedule.payload),
            time_zone=schedule.time_zone,
            title=schedule.title,
            priority=schedule.priority,
            pool=schedule.pool,
            labels=schedule.labels,
            catch_up=schedule_pb2.Schedule.CatchUp.Value(f"CATCH_UP_{schedule.catch_up}"),
            overlap=schedule_pb2.Schedule.Overlap.Value(f"OVERLAP_{schedule.overlap}"),
            paused=schedule.paused,
            revision=schedule.revision,
        )
        if schedule.cron and schedule.interval is not None:
            raise ValueError("it has a cron line and an interval: give one of them")
        if schedule.cron:
            message.cron = schedule.cron
        if schedule.interval is not None:
            message.interval.FromNanoseconds(round(schedule.interval * 1e9))
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidArgument(f"this schedule cannot be sent: {error}", reason="SCHEDULE_INVALID") from error
    return message
