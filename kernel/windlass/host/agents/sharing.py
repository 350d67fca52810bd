"""The agents' shares of the pools, settled as nodes settle theirs, from the same look at all pools.

An agent's own pool is shared with nobody: its share is all of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from windlass.core.agents import pool_of
from windlass.core.shares import is_unsettled, may_fill
from windlass.host.agents.assigning import Assigning
from windlass.host.agents.session import Session
from windlass.store.pools import PoolFacts, Pools


class AgentShares:
    def __init__(self, pools: Pools, sessions: Mapping[int, Session], assigning: Assigning) -> None:
        self._pools = pools
        self._sessions = sessions
        self._assigning = assigning

    async def welcome(self, session: Session) -> None:
        """The first shares of a new session."""
        facts = {one.name: one for one in await self._pools.look()}
        await self._settle(session, facts)

    async def settle(self, looked: Sequence[PoolFacts]) -> None:
        """Ask for the share of each agent where something has changed."""
        if self._sessions:
            facts = {one.name: one for one in looked}
            for session in list(self._sessions.values()):
                await self._settle(session, facts)

    @property
    def full(self) -> set[str]:
        """The shared pools in which an agent holds all that it may: is more due there?"""
        return {
            pool
            for session in self._sessions.values()
            for pool in session.agent.pools
            if pool != pool_of(session.agent.id) and _is_full(session, pool)
        }

    async def _settle(self, session: Session, facts: Mapping[str, PoolFacts]) -> None:
        own, before = pool_of(session.agent.id), dict(session.shares)
        for pool in session.agent.pools:
            if (found := facts.get(pool)) is None:
                continue
            if pool == own:
                session.shares[pool] = found.slots
            else:
                await self._ask(session, found)
        if grown := {pool for pool, slots in session.shares.items() if slots > before.get(pool, 0)}:
            self._assigning.look(grown)

    async def _ask(self, session: Session, facts: PoolFacts) -> None:
        pool, in_use = facts.name, session.in_use(facts.name)
        hungry = facts.has_due and _is_full(session, pool)
        now = (facts.slots, facts.shares, in_use, hungry)
        if session.settled.get(pool) == now:
            return
        session.settled[pool] = now
        if is_unsettled(session.epoch, facts.slots, facts.shares, in_use, hungry=hungry):
            # What may be given back must not be filled while the answer is on its way.
            session.shares[pool] = min(session.shares.get(pool, 0), in_use)
            session.shares[pool] = await self._pools.share(session.epoch, pool, in_use, hungry=hungry)
        else:
            session.shares[pool] = may_fill(session.epoch, facts.slots, facts.shares)


def _is_full(session: Session, pool: str) -> bool:
    """It holds all of its share, and would take more."""
    share = session.shares.get(pool, 0)
    return session.in_use(pool) >= share and share < session.takes_of(pool)
