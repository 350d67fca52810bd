"""What agents hold by the store against what their sessions know: one question for all of them.

It finds interrupts, which the agents are told; and tasks that were claimed for an epoch and never reached it, because a
claim's answer was lost, or because a server went on claiming for an agent that had gone to another one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import structlog

from windlass.core.lifecycle import Verdict
from windlass.host.agents.assigning import Assigning
from windlass.host.agents.session import Session
from windlass.host.dispatcher import with_joined
from windlass.host.service import Bell, Service
from windlass.host.surroundings import Surroundings
from windlass.store.agents import Holding
from windlass.store.facts import Asked, Claimed, Ended
from windlass.store.port import Store

log = structlog.get_logger()

BUSY_SECONDS = 1.0
IDLE_SECONDS = 5.0


class Reconciling(Service):
    def __init__(
        self,
        store: Store,
        sessions: Mapping[int, Session],
        moving: asyncio.Lock,
        assigning: Assigning,
        surroundings: Surroundings,
    ) -> None:
        self._store = store
        self._sessions = sessions
        self._moving = moving
        self._assigning = assigning
        self._now = surroundings.now
        self._bell = Bell()

    def look(self) -> None:
        """Somebody asked for an interrupt, or a session is new."""
        if self._sessions:
            self._bell.ring()

    async def run(self) -> None:
        while True:
            await self._bell.wait(self._pause())
            if self._sessions:
                async with self._moving:
                    await self._compare()

    def _pause(self) -> float | None:
        if not self._sessions:
            return None
        return BUSY_SECONDS if any(session.held for session in self._sessions.values()) else IDLE_SECONDS

    async def _compare(self) -> None:
        # What ends while the question is on its way is in the answer and no longer in the session: it was known before.
        known = {epoch: set(session.held) for epoch, session in self._sessions.items()}
        strange: dict[int, set[str]] = {}
        for held in await self._store.agents.holdings(list(known)):
            session = self._sessions.get(held.epoch)
            if session is None:
                continue
            if held.task in session.held:
                _tell(session, held)
            elif held.task not in known[held.epoch] and not held.started:
                strange.setdefault(held.epoch, set()).add(held.pool)
        for epoch, pools in strange.items():
            for pool in pools:
                await self._adopt(epoch, pool, sorted(known[epoch]))

    async def _adopt(self, epoch: int, pool: str, known: Sequence[int]) -> None:
        session = self._sessions.get(epoch)
        if session is None:
            return
        queue = self._store.queue
        found = await with_joined(queue, await queue.reclaim(epoch, pool, known))
        room = session.room(pool, self._now())
        log.warning("tasks that an agent was given did not reach it", agent=session.agent.id, tasks=len(found))
        self._assigning.give(session, pool, found[:room])
        if late := found[room:]:
            await queue.finish(epoch, [_returned(task) for task in late])
            self._assigning.look({pool})


def _tell(session: Session, held: Holding) -> None:
    if held.interrupt_by is not None and held.task not in session.told:
        session.told.add(held.task)
        session.send(Asked(held.task, held.interrupt_by, held.interrupt_reason))


def _returned(task: Claimed) -> Ended:
    return Ended(task.id, task.attempt, Verdict.RETURNED, None)
