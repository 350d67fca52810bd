"""The Agents contract: workers that reach the store through a kernel only.

An agent is known by its id for good; each of its starts is an epoch, as a node's is, with a lease in the same place.
At most one epoch of an agent is alive.  What an epoch holds, finishes and loses goes through `Queue` and `Cluster`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from enum import IntEnum

import msgspec

from windlass.core.access import Role
from windlass.errors import AgentNotFound, AgentPresent
from windlass.store.facts import Note
from windlass.store.pools import KindFacts


class HostFacts(msgspec.Struct, frozen=True):
    """A machine as an agent described it; what it could not find out is empty.  Kept as JSON."""

    agent: str
    hostname: str = ""
    addresses: tuple[str, ...] = ()
    os: str = ""
    os_kernel: str = ""
    architecture: str = ""
    cpus: int = 0
    memory: int = 0
    boot_at: datetime | None = None
    python: str = ""
    version: str = ""
    labels: dict[str, str] = {}


class AgentFacts(msgspec.Struct, frozen=True):
    """Who joins.  `pools`: how much it takes of each, its own first; `peer`: where it called from; `server`: whom.

    `machine`, `pid` and `pid_started` name its process, as in `NodeFacts`.
    """

    id: str
    machine: str
    pid: int
    pid_started: int
    host: HostFacts
    pools: dict[str, int]
    kinds: tuple[KindFacts, ...]
    peer: str = ""
    server: str = ""
    roles: dict[str, Role] = {}
    """The least role for a kind; SUBMITTER for those that are not named."""

    def role_of(self, kind: str) -> Role:
        return self.roles.get(kind, Role.SUBMITTER)


class AgentKind(msgspec.Struct, frozen=True):
    """`role`: the least that may make tasks of it; where agents differ, the highest."""

    facts: KindFacts
    role: Role


class Joined(msgspec.Struct, frozen=True):
    """`draining`: somebody drains this agent."""

    epoch: int
    draining: bool


class Living(msgspec.Struct, frozen=True):
    """The epoch of an agent that lives: why another can't join."""

    epoch: int
    machine: str
    pid: int
    pid_started: int
    joined_at: datetime
    renewed_at: datetime
    peer: str


class Holding(msgspec.Struct, frozen=True):
    """A task that an agent holds, and that it has not started, or that is being interrupted (`interrupt_by`)."""

    epoch: int
    task: int
    pool: str
    started: bool
    interrupt_by: str | None = None
    interrupt_reason: str = ""


class AgentState(IntEnum):
    """By the store's clock.  The numbers are sent."""

    LIVE = 1
    DRAINING = 2
    AWAY = 3


class AgentEntry(msgspec.Struct, frozen=True):
    """`running`: how many tasks it holds."""

    id: str
    epoch: int
    state: AgentState
    host: HostFacts
    pools: dict[str, int]
    kinds: tuple[str, ...]
    created_at: datetime
    joined_at: datetime
    seen_at: datetime
    expires_at: datetime
    peer: str
    server: str
    running: int


class Agents(ABC):
    @abstractmethod
    async def join(self, agent: AgentFacts, lease: float, replaces: int = 0) -> Joined | Living:
        """A new epoch; or the one that lives, unless that is `replaces`, which ends here.

        Its own pool is made known with its slots, as `Pools.register` does; other pools, and kinds, only when nobody
        has named them before.
        """

    @abstractmethod
    async def resume(self, agent: str, epoch: int, lease: float, peer: str, server: str) -> Joined | None:
        """An epoch calls from elsewhere, or again; its lease is renewed.  None when it is over."""

    @abstractmethod
    async def renew(self, epochs: Sequence[int], lease: float) -> dict[int, bool]:
        """Extend the leases of all of these at once: those that are alive, each with whether it is drained."""

    @abstractmethod
    async def due(self, pools: Sequence[str]) -> set[str]:
        """In which of these pools something is due.  One look for all agents of a server."""

    @abstractmethod
    async def holdings(self, epochs: Sequence[int]) -> list[Holding]:
        """What these epochs hold without having started it, and what of theirs is being interrupted."""

    @abstractmethod
    async def agents(self) -> list[AgentEntry]:
        """Every agent that ever joined and was not forgotten, by id."""

    @abstractmethod
    async def drain(self, agent: str, *, draining: bool, note: Note | None = None) -> None:
        """Let an agent take no more tasks, now and after its next start, or take them again.

        Raises `AgentNotFound`.
        """

    @abstractmethod
    async def forget(self, agent: str, note: Note | None = None) -> None:
        """Take an agent that is away out of the lists, with its own pool; tasks for that wait on.

        Raises `AgentNotFound`, or `AgentPresent` while it lives or holds tasks.
        """

    @abstractmethod
    async def kinds(self) -> list[AgentKind]:
        """The kinds of all agents, also of those that are away."""

    @abstractmethod
    async def host(self, task: int) -> HostFacts | None:
        """Where the current or last attempt of a task ran, as it was then; None when that was no agent."""


def present_agent(agent: str) -> AgentPresent:
    return AgentPresent(
        f"agent {agent} is connected, or holds tasks: end it first, and wait for its lease", agent=agent
    )


def unknown_agent(agent: str) -> AgentNotFound:
    return AgentNotFound(f"no agent {agent!r} has ever connected", agent=agent)
