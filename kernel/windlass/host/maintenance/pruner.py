"""Removes what nobody wants any more: whole sets of partitions, single tasks kept for less, request ids, nodes.

Single tasks are looked for page by page; a page in which something was found is followed at once, others with a pause,
so that a long history costs no more than one look a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from windlass.host.service import Service
from windlass.store.facts import Membership
from windlass.store.port import Store
from windlass.store.upkeep import Retention

log = structlog.get_logger()

PASS_SECONDS = 60.0
PAGE = 2_000
PAGE_PAUSE = 1.0


class Pruner(Service):
    """`requests` is how long request ids are known, in seconds."""

    def __init__(
        self, store: Store, membership: Callable[[], Membership | None], retention: Retention, requests: float
    ) -> None:
        self._upkeep = store.upkeep
        self._statistics = store.statistics
        self._membership = membership
        self.retention = retention
        self.requests = requests

    async def run(self) -> None:
        while True:
            await asyncio.sleep(PASS_SECONDS)
            if membership := self._membership():
                await self.prune(membership)

    async def prune(self, membership: Membership) -> None:
        """Once through everything."""
        await self._statistics.merge(membership)
        await self._upkeep.expire(membership, self.requests, self.retention.longest)
        if sets := await self._upkeep.drop(membership, self.retention.longest):
            log.info("history dropped", sets=sets)
        if not self.retention.is_uniform:
            await self._prune_tasks(membership)

    async def _prune_tasks(self, membership: Membership) -> None:
        after: int | None = 0
        removed = 0
        while after is not None:
            pruned = await self._upkeep.prune(membership, self.retention, after, PAGE)
            after, removed = pruned.after, removed + pruned.tasks
            if after is not None and not pruned.tasks:
                await asyncio.sleep(PAGE_PAUSE)
        if removed:
            log.info("history pruned", tasks=removed)
