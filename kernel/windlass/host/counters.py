"""What this node counts: kept in memory, written down once a second when anything has changed.

The numbers of an epoch are written whole each time, so a flush whose answer was lost is simply repeated.  What an
epoch could not write any more goes into the next one's numbers.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter

import structlog

from windlass.core.lifecycle import Verdict
from windlass.errors import StoreUnavailable
from windlass.host.service import Service
from windlass.store.facts import Claimed, NewTask, Settled
from windlass.store.statistics import Counts, Statistics

log = structlog.get_logger()

FLUSH_SECONDS = 1.0
ENDS = {
    Verdict.SUCCESS: "succeeded",
    Verdict.FAILED: "failed",
    Verdict.RETRY: "retried",
    Verdict.CANCELED: "canceled",
}
KIND = attrgetter("kind")
NUMBERS = Counts.__struct_fields__[2:]
Key = tuple[str, str]


class Counters(Service):
    """`epoch` gives the node's present one."""

    def __init__(self, statistics: Statistics, epoch: Callable[[], int | None]) -> None:
        self._statistics = statistics
        self._epoch = epoch
        self._totals: defaultdict[Key, Counter[str]] = defaultdict(Counter)
        self._written: dict[Key, Counter[str]] = {}
        self._before: dict[Key, Counter[str]] = {}
        self._written_by: int | None = None
        self._changed: set[Key] = set()
        self._held: dict[int, Key] = {}

    @property
    def totals(self) -> Mapping[Key, Mapping[str, int]]:
        """What this process has counted so far, by pool and kind."""
        return self._totals

    def enqueued(self, tasks: Sequence[NewTask]) -> None:
        for task in tasks:
            self._add((task.pool, task.kind), "enqueued")

    def claimed(self, pool: str, tasks: Sequence[Claimed]) -> None:
        self._held |= {task.id: (pool, task.kind) for task in tasks}
        for kind, times in Counter(map(KIND, tasks)).items():
            self._add((pool, kind), "claimed", times)

    def started(self, claimed: Claimed) -> None:
        if (key := self._held.get(claimed.id)) is None:
            return
        totals = self._totals[key]
        totals["started"] += 1
        # By two clocks, as far as they agree: the database's says when it was due.
        waited = time.time() - claimed.next_try_at.timestamp()
        if waited > 0:
            totals["waited_ms"] += int(1000 * waited)
        self._changed.add(key)

    def settled(self, settled: Sequence[Settled]) -> None:
        for one in settled:
            if (key := self._held.pop(one.task, None)) and (name := ENDS.get(one.verdict)):
                self._add(key, name)

    def lost(self, tasks: int) -> None:
        """So many were taken back from lost nodes."""
        if tasks:
            self._add(("", ""), "lost", tasks)

    def forget_held(self) -> None:
        """The epoch is over: no end of what it held is accepted any more."""
        self._held.clear()

    async def run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write down what has changed.  Raises `StoreUnavailable`."""
        epoch = self._epoch()
        if epoch is None or not self._changed:
            return
        if epoch != self._written_by:
            self._written_by, self._before = epoch, dict(self._written)
        changed, self._changed = self._changed, set()
        now = {key: self._totals[key].copy() for key in changed}
        try:
            accepted = await self._statistics.flush(epoch, [self._since(key, total) for key, total in now.items()])
        except BaseException:
            self._changed |= changed
            raise
        if accepted:
            self._written |= now
        else:
            self._changed |= changed

    async def flush_last(self) -> None:
        """Before the node leaves."""
        try:
            await self.flush()
        except StoreUnavailable as error:
            log.warning("the last counts could not be stored", error=error.message)

    def _since(self, key: Key, total: Counter[str]) -> Counts:
        before = self._before.get(key, Counter())
        return Counts(*key, *(total[name] - before[name] for name in NUMBERS))

    def _add(self, key: Key, name: str, times: int = 1) -> None:
        self._totals[key][name] += times
        self._changed.add(key)
