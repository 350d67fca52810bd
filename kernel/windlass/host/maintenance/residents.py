"""Keeps one task of each resident alive."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import structlog

from windlass.core.residents import TRIGGER, Resident
from windlass.errors import BootError, InvalidArgument
from windlass.host.admission import Admission, Request
from windlass.host.schedules import SCHEDULER
from windlass.host.service import Service
from windlass.store.facts import Membership, NewTask
from windlass.store.residents import Residents, ResidentTask

log = structlog.get_logger()

LOOK_SECONDS = 2.0


class ResidentKeeper(Service):
    """`on_stored` is told of the tasks made here."""

    def __init__(
        self,
        store: Residents,
        membership: Callable[[], Membership | None],
        residents: Sequence[ResidentTask],
        on_stored: Callable[[Sequence[NewTask]], None],
    ) -> None:
        self._store = store
        self._membership = membership
        self._residents = residents
        self._on_stored = on_stored

    async def run(self) -> None:
        while True:
            membership = self._membership()
            if membership is not None and self._residents and await self._store.keep(membership, self._residents):
                self._on_stored([resident.task for resident in self._residents])
            await asyncio.sleep(LOOK_SECONDS)


def resident_tasks(residents: Sequence[Resident], admission: Admission) -> list[ResidentTask]:
    """What is to be stored for each.  Raises `BootError` for one that can't work."""
    return [ResidentTask(resident.key, _task(resident, admission)) for resident in residents]


def _task(resident: Resident, admission: Admission) -> NewTask:
    try:
        payload = msgspec.json.encode(resident.payload)
        asked = Request(kind=resident.kind, title=resident.title, trigger=TRIGGER, payload=payload)
        return admission.admit(asked, SCHEDULER)
    except (InvalidArgument, TypeError) as error:
        raise BootError(f"resident {resident.kind} {resident.key!r} can't work: {error}") from error
