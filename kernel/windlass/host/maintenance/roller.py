"""Opens the next set of partitions in time; a store whose locks are held is asked again later."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from windlass.host.service import Service
from windlass.store.facts import Membership
from windlass.store.upkeep import Roll, Upkeep

log = structlog.get_logger()

LOOK_SECONDS = 5.0
LONGEST_PAUSE = 60.0
"""Each try holds up writers for a moment, so one that is in vain is not repeated at once."""


class Roller(Service):
    """`period` is the seconds after which a set is closed, whatever is in it."""

    def __init__(self, upkeep: Upkeep, membership: Callable[[], Membership | None], period: float) -> None:
        self._upkeep = upkeep
        self._membership = membership
        self.period = period

    async def run(self) -> None:
        pause = LOOK_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = LOOK_SECONDS
            if (membership := self._membership()) is None:
                continue
            did = await self._upkeep.roll(membership, self.period)
            if did is Roll.BUSY:
                pause = LONGEST_PAUSE
                log.info("the next partitions wait for somebody's lock")
            elif did is not Roll.NONE:
                log.info("partitions opened", how=did.value)
