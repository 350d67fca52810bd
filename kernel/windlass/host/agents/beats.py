"""Keeps the leases of all agents whose heartbeats came, in one statement, and answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import structlog

from windlass.core.leases import LeaseTimes
from windlass.errors import EpochOver
from windlass.host.agents.session import Beat, Session
from windlass.host.service import Bell, Service
from windlass.host.surroundings import Surroundings
from windlass.store.agents import Agents, AgentState

log = structlog.get_logger()

LONGEST_GATHERING = 1.0


class Beats(Service):
    """`dismiss` ends a session."""

    def __init__(
        self,
        agents: Agents,
        sessions: Mapping[int, Session],
        times: LeaseTimes,
        dismiss: Callable[[Session], None],
        surroundings: Surroundings,
    ) -> None:
        self._agents = agents
        self._sessions = sessions
        self._times = times
        self._dismiss = dismiss
        self._now = surroundings.now
        self._gathering = min(LONGEST_GATHERING, times.renew / 5)
        self._bell = Bell()
        self._unsure = False

    def look(self) -> None:
        """The first session is open."""
        self._bell.ring()

    def refresh(self, agent: str) -> None:
        """This agent may be drained, or resumed."""
        if any(session.agent.id == agent for session in self._sessions.values()):
            self._unsure = True
            self._bell.ring()

    async def run(self) -> None:
        while True:
            await self._bell.wait(self._gathering if self._sessions else None)
            if self._unsure:
                self._unsure = False
                await self._tell_of_drains()
            await self._answer()
            now = self._now()
            for session in [one for one in self._sessions.values() if one.is_dead(now)]:
                log.warning("nothing was heard of an agent; its session ends", agent=session.agent.id)
                self._dismiss(session)

    async def _tell_of_drains(self) -> None:
        for entry in await self._agents.agents():
            session = self._sessions.get(entry.epoch)
            draining = entry.state is AgentState.DRAINING
            if session is not None and session.draining != draining:
                session.draining = draining
                session.send(Beat(0, alive=True, draining=draining))

    async def _answer(self) -> None:
        waiting = {epoch: one.heartbeat for epoch, one in self._sessions.items() if one.heartbeat is not None}
        if not waiting:
            return
        alive = await self._agents.renew(list(waiting), self._times.lease)
        for epoch, number in waiting.items():
            session = self._sessions.get(epoch)
            if session is None:
                continue
            if session.heartbeat == number:
                session.heartbeat = None
            session.draining = alive.get(epoch, session.draining)
            session.send(Beat(number, epoch in alive, session.draining))
            if epoch not in alive:
                session.end(EpochOver(f"the lease of agent {session.agent.id} has run out", agent=session.agent.id))
