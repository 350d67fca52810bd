"""Takes back what lost nodes hold; only an expired lease or a process proved dead loses, never age."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from windlass.host.service import Service
from windlass.store.facts import Membership

log = structlog.get_logger()

SWEEP_SECONDS = 5.0


class Recoverer(Service):
    def __init__(
        self,
        recover: Callable[[], Awaitable[int]],
        membership: Callable[[], Membership | None],
        on_recovered: Callable[[], None],
    ) -> None:
        self._recover = recover
        self._membership = membership
        self._on_recovered = on_recovered

    async def run(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if self._membership() and (recovered := await self._recover()):
                log.warning("tasks of lost nodes are back", tasks=recovered)
                self._on_recovered()
