"""Kinds that only agents have handlers for: their tasks are taken without a look at the payload, and wait for one."""

from __future__ import annotations

from typing import Any

import msgspec

from windlass.core.deadlines import Deadlines
from windlass.core.retry import RetryPolicy
from windlass.handler import Failed, Handler, Outcome, Twin
from windlass.host.plugins import Kind
from windlass.host.service import Bell, Service
from windlass.store.agents import AgentKind, Agents

LOOK_SECONDS = 10.0


class RemoteKinds(Service):
    """`kinds` is what is known of them now; changed in place."""

    def __init__(self, agents: Agents) -> None:
        self._agents = agents
        self._bell = Bell()
        self.kinds: dict[str, Kind] = {}

    def look(self) -> None:
        """An agent has joined."""
        self._bell.ring()

    async def run(self) -> None:
        while True:
            await self.read()
            await self._bell.wait(LOOK_SECONDS)

    async def read(self) -> None:
        """Raises `StoreUnavailable`."""
        found = {one.facts.name: one for one in await self._agents.kinds()}
        for name in self.kinds.keys() - found.keys():
            del self.kinds[name]
        for name, told in found.items():
            known = self.kinds.get(name)
            if known is None or not isinstance(known.handler, Elsewhere) or known.handler.told != told:
                self.kinds[name] = Kind(Elsewhere(told), msgspec.json.Decoder(Any).decode, has_cleanup=False)


class Elsewhere(Handler[Any]):
    """Stands for a handler that is on other machines: what was registered of it, and nothing of the payload."""

    def __init__(self, told: AgentKind) -> None:
        self.told, facts = told, told.facts
        own: Any = self
        own.role = told.role
        own.kind, own.pool = facts.name, facts.pool
        own.retry = RetryPolicy(attempts=facts.attempts, pause=facts.pause)
        own.deadlines = Deadlines(queue=facts.start_within, run=facts.run_limit, silence=facts.silence_limit)
        own.running_twin = Twin.JOIN if facts.joins_running else Twin.FOLLOW_UP

    async def run(self, ctx: Any, payload: Any) -> Outcome:
        return Failed("this server has no handler for it")
