"""One agent's session with this server: what it may be given, what it holds, and what is to be sent to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any

import msgspec

from windlass.core.leases import LeaseTimes
from windlass.core.shares import Share
from windlass.errors import WindlassError
from windlass.store.agents import AgentFacts
from windlass.store.facts import Asked, Claimed


class Welcome(msgspec.Struct, frozen=True):
    """The session is open."""

    epoch: int
    times: LeaseTimes
    server: str
    draining: bool


class Beat(msgspec.Struct, frozen=True):
    """The answer to all heartbeats up to this one."""

    number: int
    alive: bool
    draining: bool


class Assignment(msgspec.Struct, frozen=True):
    claimed: Claimed
    pool: str


class LaneNews(msgspec.Struct, frozen=True):
    """A lane may be free."""


class Answered(msgspec.Struct, frozen=True):
    """The answer to a question, in the words of whoever put the question to us."""

    answer: Any


class Held(msgspec.Struct, frozen=True):
    """A task in an agent's hands."""

    pool: str
    kind: str


Message = Welcome | Beat | Assignment | Asked | LaneNews | Answered
SILENT_BEATS = 3.0
"""So many beats without a word from it, and an agent is sent nothing more; twice as many, and the session ends."""


class Session:
    """`held`: the tasks that it holds; `now` is monotonic."""

    def __init__(self, agent: AgentFacts, epoch: int, times: LeaseTimes, now: float) -> None:
        self.agent = agent
        self.epoch = epoch
        self.kinds = tuple(kind.name for kind in agent.kinds)
        self.shares: dict[str, int] = {}
        self.settled: dict[str, tuple[int, tuple[Share, ...], int, bool]] = {}
        """What each share was last settled by."""
        self.held: dict[int, Held] = {}
        self.told: set[int] = set()
        """Tasks whose interrupts it knows of."""
        self.heartbeat: int | None = None
        self.draining = False
        self.waits_at_lanes = False
        self._times = times
        self._heard = now
        self._credits: Mapping[str, int] = {}
        self._in_pool: Counter[str] = Counter()
        self._outbox: asyncio.Queue[Message | None] = asyncio.Queue()
        self._ending: WindlassError | None = None

    def heard(self, now: float) -> None:
        self._heard = now

    def is_silent(self, now: float) -> bool:
        return now - self._heard > SILENT_BEATS * self._times.renew

    def is_dead(self, now: float) -> bool:
        return now - self._heard > 2 * SILENT_BEATS * self._times.renew

    def takes(self, credits: Mapping[str, int]) -> None:
        """How much it takes of each pool from now on."""
        self._credits = {pool: slots for pool, slots in credits.items() if pool in self.agent.pools}

    def takes_of(self, pool: str) -> int:
        return self._credits.get(pool, 0)

    def in_use(self, pool: str) -> int:
        """How many tasks of a pool it holds, and so how many it executes at most."""
        return self._in_pool[pool]

    def room(self, pool: str, now: float) -> int:
        """How many more tasks of a pool it may be given."""
        if self.draining or self.is_silent(now):
            return 0
        return max(0, min(self.takes_of(pool), self.shares.get(pool, 0)) - self._in_pool[pool])

    def hold(self, task: int, pool: str, kind: str) -> None:
        if task not in self.held:
            self.held[task] = Held(pool, kind)
            self._in_pool[pool] += 1

    def release(self, tasks: Iterable[int]) -> set[str]:
        """It holds these no more; in which pools that made room."""
        pools = set()
        for task in tasks:
            if (held := self.held.pop(task, None)) is not None:
                self._in_pool[held.pool] -= 1
                self.told.discard(task)
                pools.add(held.pool)
        return pools

    def send(self, message: Message) -> None:
        self._outbox.put_nowait(message)

    def end(self, error: WindlassError | None = None) -> None:
        """Send what is to be sent, and no more; `error` is told to the agent."""
        self._ending = self._ending or error
        self._outbox.put_nowait(None)

    async def messages(self) -> AsyncGenerator[Message, None]:
        """What is to be sent, as it comes; raises what the session ended with."""
        while (message := await self._outbox.get()) is not None:
            yield message
        if self._ending is not None:
            raise self._ending
