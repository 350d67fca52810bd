"""Has tables that turn over fast cleared, where the database server looks at them too seldom by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from windlass.host.service import Service
from windlass.store.facts import Membership
from windlass.store.upkeep import Upkeep

log = structlog.get_logger()

LOOK_SECONDS = 10.0


class Vacuumer(Service):
    def __init__(self, upkeep: Upkeep, membership: Callable[[], Membership | None]) -> None:
        self._upkeep = upkeep
        self._membership = membership

    async def run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (membership := self._membership()) and (tables := await self._upkeep.vacuum(membership)):
                log.debug("dead rows cleared", tables=tables)
