"""Gives agents their work: one look a second for all of their pools together, and at once where something came.

A claim is made under the agent's own epoch and takes no more than the agent has room for; so what it holds is never
more than its share of the pool.  A claim whose answer was lost, or one made for a session that was already another's,
is found by `Reconciling`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence

from windlass.host.agents.session import Assignment, Session
from windlass.host.counters import Counters
from windlass.host.dispatcher import with_joined
from windlass.host.service import Bell, Service
from windlass.host.surroundings import Surroundings
from windlass.store.facts import Claimed
from windlass.store.port import Store

LOOK_SECONDS = 1.0


class Assigning(Service):
    """`moving` is held while tasks are on their way from the store to a session."""

    def __init__(
        self,
        store: Store,
        sessions: Mapping[int, Session],
        moving: asyncio.Lock,
        counters: Counters,
        surroundings: Surroundings,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._moving = moving
        self._counters = counters
        self._now = surroundings.now
        self._bell = Bell()
        self._hinted: set[str] = set()
        self._looked_at = float("-inf")

    def look(self, pools: Collection[str] = ()) -> None:
        """Something may have become claimable in these pools; without any: anywhere."""
        if not self._sessions:
            return
        if pools:
            self._hinted.update(pools)
        else:
            self._looked_at = float("-inf")
        self._bell.ring()

    async def run(self) -> None:
        while True:
            rest = self._looked_at + LOOK_SECONDS - self._now()
            await self._bell.wait(max(0.0, rest) if self._sessions else None)
            hinted, self._hinted = self._hinted, set()
            wanting = self._wanting()
            if self._now() >= self._looked_at + LOOK_SECONDS:
                self._looked_at = self._now()
                hinted |= await self._store.agents.due(list(wanting)) if wanting else set()
            for pool in hinted & wanting.keys():
                await self._assign(pool, wanting[pool])

    def _wanting(self) -> dict[str, list[Session]]:
        """Who has room, by pool."""
        found: dict[str, list[Session]] = {}
        now = self._now()
        for session in self._sessions.values():
            for pool in session.agent.pools:
                if session.room(pool, now) > 0:
                    found.setdefault(pool, []).append(session)
        return found

    async def _assign(self, pool: str, sessions: Sequence[Session]) -> None:
        done: set[tuple[str, ...]] = set()
        for session in sorted(sessions, key=lambda one: one.in_use(pool)):
            if session.kinds not in done and await self._claim(session, pool):
                done.add(session.kinds)

    async def _claim(self, session: Session, pool: str) -> bool:
        """Whether nothing more of its kinds is due there."""
        queue = self._store.queue
        async with self._moving:
            room = session.room(pool, self._now())
            if not room or self._sessions.get(session.epoch) is not session:
                return False
            claimed = await with_joined(queue, await queue.claim(session.epoch, pool, session.kinds, room))
            self.give(session, pool, claimed)
        return len(claimed) < room

    def give(self, session: Session, pool: str, claimed: Sequence[Claimed]) -> None:
        """Send what was claimed for an agent."""
        self._counters.claimed(pool, claimed)
        for task in claimed:
            session.hold(task.id, pool, task.kind)
            session.send(Assignment(task, pool))
            self._counters.started(task)
