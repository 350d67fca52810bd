"""The Schedules service: work that is made by the clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from windlass_proto.v1 import schedule_pb2, schedules_service_pb2, schedules_service_pb2_grpc, tasks_service_pb2

from windlass.control import convert
from windlass.control.convert_schedules import read_schedule, schedule, tick
from windlass.control.guard import caller
from windlass.control.notes import note
from windlass.control.paging import bounded, page_size, read_token, write_token
from windlass.control.status import answers
from windlass.control.values import read_name
from windlass.errors import InvalidArgument
from windlass.host.kernel import Kernel


class SchedulesServicer(schedules_service_pb2_grpc.SchedulesServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._timetable = kernel.timetable

    @answers
    async def Create(self, request: schedules_service_pb2.CreateScheduleRequest, context: Any) -> schedule_pb2.Schedule:
        asked, now = read_schedule(request.schedule), datetime.now(UTC)
        if request.validate_only:
            return schedule(await self._timetable.check_new(asked, caller.get(), now), now)
        return schedule(await self._timetable.create(asked, caller.get(), note(request, request.schedule.name)), now)

    @answers
    async def Get(self, request: schedules_service_pb2.GetScheduleRequest, context: Any) -> schedule_pb2.Schedule:
        return schedule(await self._timetable.get(_name(request.name)), datetime.now(UTC))

    @answers
    async def List(
        self, request: schedules_service_pb2.ListSchedulesRequest, context: Any
    ) -> schedules_service_pb2.ListSchedulesResponse:
        (after,) = read_token("schedules", request.page_token, tuple[str]) or ("",)
        now = datetime.now(UTC)

        async def read(size: int) -> schedules_service_pb2.ListSchedulesResponse:
            page = await self._timetable.list(size, after)
            return schedules_service_pb2.ListSchedulesResponse(
                schedules=[schedule(facts, now, ticks=0) for facts in page.items],
                next_page_token=write_token("schedules", page.after),
            )

        return await bounded(read, page_size(request.page_size, 50))

    @answers
    async def Update(self, request: schedules_service_pb2.UpdateScheduleRequest, context: Any) -> schedule_pb2.Schedule:
        asked, now = read_schedule(request.schedule), datetime.now(UTC)
        revision = _revision(request.schedule.revision, "schedule.revision")
        if request.validate_only:
            return schedule(await self._timetable.check_change(asked, revision, caller.get(), now), now)
        noted = note(request, request.schedule.name)
        return schedule(await self._timetable.update(asked, revision, caller.get(), noted), now)

    @answers
    async def Delete(
        self, request: schedules_service_pb2.DeleteScheduleRequest, context: Any
    ) -> schedules_service_pb2.DeleteScheduleResponse:
        revision = _revision(request.revision, "revision")
        await self._timetable.delete(_name(request.name), revision, note(request, request.name))
        return schedules_service_pb2.DeleteScheduleResponse()

    @answers
    async def Pause(self, request: schedules_service_pb2.PauseScheduleRequest, context: Any) -> schedule_pb2.Schedule:
        noted = note(request, request.name, request.reason)
        return schedule(await self._timetable.pause(_name(request.name), noted), datetime.now(UTC))

    @answers
    async def Resume(self, request: schedules_service_pb2.ResumeScheduleRequest, context: Any) -> schedule_pb2.Schedule:
        noted = note(request, request.name, request.reason)
        return schedule(await self._timetable.resume(_name(request.name), noted), datetime.now(UTC))

    @answers
    async def Run(
        self, request: schedules_service_pb2.RunScheduleRequest, context: Any
    ) -> tasks_service_pb2.EnqueueResponse:
        noted = note(request, request.name)
        made = await self._timetable.run_now(_name(request.name), caller.get(), request.request_id, noted)
        return convert.receipt(made)

    @answers
    async def ListTicks(
        self, request: schedules_service_pb2.ListTicksRequest, context: Any
    ) -> schedules_service_pb2.ListTicksResponse:
        name = read_name(request.parent, "schedules", "parent")
        list_ = f"ticks of {name}"
        (after,) = read_token(list_, request.page_token, tuple[int]) or (None,)

        async def read(size: int) -> schedules_service_pb2.ListTicksResponse:
            page = await self._timetable.ledger(name, size, after)
            return schedules_service_pb2.ListTicksResponse(
                ticks=map(tick, page.items), next_page_token=write_token(list_, page.after)
            )

        return await bounded(read, page_size(request.page_size, 50))


def _name(name: str) -> str:
    return read_name(name, "schedules")


def _revision(asked: int, field: str) -> int | None:
    """None for 0, which means whatever is there."""
    if asked < 0:
        raise InvalidArgument(f"{field} must not be negative, and is {asked}", field=field)
    return asked or None
