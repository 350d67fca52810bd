"""The dispatcher of one pool: claims into a bounded local heap and starts work as slots come free.

Two halves that never wait for each other: `run` keeps the heap filled, and every end of an attempt starts the next
task from the heap at once.  A claim is on its way while the last one's tasks execute.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from datetime import datetime

import msgspec
import structlog

from windlass.core.claiming import claim_size, smoothed_rate
from windlass.errors import StoreUnavailable
from windlass.host.service import Bell, Service
from windlass.store.facts import Asked, Claimed
from windlass.store.port import Work

log = structlog.get_logger()

POLL_SECONDS = 1.0


def _nothing(_node: int, _claimed: Claimed) -> None: ...


def _uncounted(_pool: str, _claimed: Sequence[Claimed], _took: float) -> None: ...


class Dispatcher(Service):
    """`launch` starts a claimed task, and `freed` is called when its slot is free; `may_claim` is the node's gate."""

    poll_seconds = POLL_SECONDS
    """How often it looks by itself, in case a hint was missed."""

    on_late: Callable[[int, Claimed], None] = staticmethod(_nothing)
    """Told of each task whose claim was on its way, for this node, when the heap was given up."""

    on_claimed: Callable[[str, Sequence[Claimed], float], None] = staticmethod(_uncounted)
    """Told of the pool, what was claimed from it, and how many seconds that took."""

    def __init__(
        self,
        work: Work,
        pool: str,
        kinds: Iterable[str],
        launch: Callable[[Dispatcher, Claimed], None],
        may_claim: Callable[[], int | None],
        known: Callable[[], list[int]],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._now = now
        self.pool = pool
        self.slots = 0
        self.executing = 0
        self._work = work
        self._kinds = list(kinds)
        self._launch = launch
        self._may_claim = may_claim
        self._known = known
        self._heap: list[tuple[int, datetime, int, Claimed]] = []
        self._bell = Bell()
        self._rate = 0.0
        self._starts = 0
        self._counted_at = 0.0
        self._doubtful = False
        self._ringing = False
        self._found_less = False
        """The last claim found less than was wanted, and nobody has rung since: whoever stores more does."""
        self._claiming = asyncio.Lock()
        self._times_given_up = 0
        self.context = copy_context()
        """What every attempt begins with."""

    @property
    def is_full(self) -> bool:
        return self.executing >= self.slots

    def hold(self, executing: int) -> None:
        """Fill no more slots than this until the next `resize`."""
        self.slots = min(self.slots, executing)

    def resize(self, slots: int) -> None:
        """This node's share of the pool; what runs beyond a smaller one runs on."""
        if slots != self.slots:
            self.slots = slots
            self.look()

    def look(self) -> None:
        """Something may have become claimable."""
        self._bell.ring()

    def freed(self) -> None:
        """An attempt ended: its slot takes the next task."""
        self.executing -= 1
        self._start_waiting()
        if not self._ringing and not self._found_less and self._wanted():
            self._ringing = True
            self._bell.ring()

    def waiting(self) -> list[Claimed]:
        """The tasks that are claimed and not started."""
        return [entry[-1] for entry in self._heap]

    def give_up(self) -> list[Claimed]:
        """Empty the heap; what was in it is the caller's to hand back."""
        claimed, self._heap = self.waiting(), []
        self._times_given_up += 1
        return claimed

    async def settled(self) -> None:
        """Wait until no claim is on its way."""
        async with self._claiming:
            pass

    def drop(self, asked: Asked) -> Claimed | None:
        """Take an interrupted task out of the heap."""
        for index, entry in enumerate(self._heap):
            if entry[-1].id == asked.task:
                self._heap.pop(index)
                heapq.heapify(self._heap)
                return entry[-1]
        return None

    async def run(self) -> None:
        self._counted_at = self._now()
        self.context = copy_context()
        while True:
            # What is held since the gate was closed: with every slot free, no end of an attempt would start it.
            self._start_waiting()
            wanted = self._wanted()
            node = self._may_claim()
            if wanted and node is not None:
                self._found_less = await self._claim(node, wanted) < wanted
                if not self._found_less:
                    continue
            self._ringing = False
            await self._bell.wait(self.poll_seconds)
            self._found_less = False

    async def _claim(self, node: int, wanted: int) -> int:
        given_up = self._times_given_up
        claimed: list[Claimed] = []
        asked = self._now()
        async with self._claiming:
            try:
                if self._doubtful:
                    claimed += await self._work.reclaim(node, self.pool, self._known())
                    self._doubtful = False
                claimed += await self._work.claim(node, self.pool, self._kinds, wanted)
                claimed = await with_joined(self._work, claimed)
            except StoreUnavailable:
                # It may have committed: what it took is found by asking, before the next claim.
                self._doubtful = True
                raise
            self.on_claimed(self.pool, claimed, self._now() - asked)
            if given_up != self._times_given_up:
                # A drain began, or the epoch is another: these may not start under it.
                for task in claimed:
                    self.on_late(node, task)
                return 0
        for task in claimed:
            heapq.heappush(self._heap, (-task.priority, task.next_try_at, task.id, task))
        self._start_waiting()
        return len(claimed)

    def _start_waiting(self) -> None:
        while self._heap and self.executing < self.slots and self._may_claim() is not None:
            self.executing += 1
            self._starts += 1
            self._launch(self, heapq.heappop(self._heap)[-1])

    def _wanted(self) -> int:
        now = self._now()
        if now - self._counted_at > 0.02:
            self._rate = smoothed_rate(self._rate, self._starts, now - self._counted_at)
            self._starts, self._counted_at = 0, now
        return claim_size(
            slots=self.slots, executing=self.executing, waiting=len(self._heap), starts_per_second=self._rate
        )


async def with_joined(work: Work, claimed: list[Claimed]) -> list[Claimed]:
    """Claimed tasks with the payloads of those who joined them, unless they came with them.

    Asked after the claim: who was told that he joined a waiting task has committed by now.
    """
    keyed = [task.id for task in claimed if task.coalesce_key is not None and not task.joined]
    if not keyed:
        return claimed
    joined = await work.joined(keyed)
    payloads = {task: tuple(one.payload for one in every) for task, every in joined.items()}
    return [msgspec.structs.replace(task, joined=payloads.get(task.id, task.joined)) for task in claimed]
