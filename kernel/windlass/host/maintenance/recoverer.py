"""Takes back what lost nodes hold; only an expired lease or a process proved dead loses, never age."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from windlass.host.service import Service
from windlass.store.facts import Membership
from windlass.store.port import Cluster

log = structlog.get_logger()

SWEEP_SECONDS = 5.0


class Recoverer(Service):
    def __init__(
        self, cluster: Cluster, membership: Callable[[], Membership | None], on_recovered: Callable[[], None]
    ) -> None:
        self._cluster = cluster
        self._membership = membership
        self._on_recovered = on_recovered

    async def run(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if self._membership() and (recovered := await self._cluster.recover()):
                log.warning("tasks of lost nodes are back", tasks=recovered)
                self._on_recovered()
