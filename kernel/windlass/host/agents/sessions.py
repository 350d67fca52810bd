"""All agents that are connected to this server, and what they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence

import structlog

from windlass.core.leases import LeaseTimes
from windlass.core.lifecycle import Verdict
from windlass.errors import (
    AgentConnected,
    AttemptSuperseded,
    EpochOver,
    NotThisPlugin,
    SessionOver,
    ShuttingDown,
    TaskNotFound,
)
from windlass.host.admission import Request
from windlass.host.agents.assigning import Assigning
from windlass.host.agents.beats import Beats
from windlass.host.agents.reconciling import Reconciling
from windlass.host.agents.session import LaneNews, Session, Welcome
from windlass.host.agents.sharing import AgentShares
from windlass.host.node import Node
from windlass.host.plugins import Plugins
from windlass.host.service import Service
from windlass.host.surroundings import Surroundings
from windlass.store.agents import AgentFacts, Joined, Living
from windlass.store.documents import Documents, superseded
from windlass.store.facts import Claimed, Ended, Parent, Receipt, Said, Settled
from windlass.store.lanes import Entrant, Turn
from windlass.store.port import Store

log = structlog.get_logger()


class Sessions:
    """`on_news` is told which tasks have news."""

    def __init__(
        self,
        store: Store,
        node: Node,
        plugins: Plugins,
        times: LeaseTimes,
        on_news: Callable[[Iterable[int]], None],
        surroundings: Surroundings,
    ) -> None:
        self._store = store
        self._node = node
        self._plugins = plugins
        self._times = times
        self._on_news = on_news
        self._now = surroundings.now
        self._open: dict[int, Session] = {}
        self._is_closed = False
        moving = asyncio.Lock()
        self._assigning = Assigning(store, self._open, moving, node.counters, surroundings)
        self._reconciling = Reconciling(store, self._open, moving, self._assigning, surroundings)
        self._beats = Beats(store.agents, self._open, times, self._dismiss, surroundings)
        self.shares = AgentShares(store.pools, self._open, self._assigning)
        self.services: list[Service] = [self._beats, self._assigning, self._reconciling]

    def __len__(self) -> int:
        return len(self._open)

    async def open(self, agent: AgentFacts, epoch: int, replaces: int, held: Sequence[int]) -> Session:
        """A session for an agent: under a new epoch, or (`epoch`) an earlier one, under which it holds `held`.

        Raises `AgentConnected`, `EpochOver` or `ShuttingDown`.
        """
        self._check_open()
        if epoch:
            joined = await self._store.agents.resume(agent.id, epoch, self._times.lease, agent.peer, agent.server)
            if joined is None:
                raise EpochOver(f"epoch {epoch} of agent {agent.id} is over: join anew", agent=agent.id, epoch=epoch)
        else:
            found = await self._store.agents.join(agent, self._times.lease, replaces)
            if isinstance(found, Living):
                raise _connected(agent.id, found)
            joined = found
            self._node.remote_kinds.look()
            self._node.sharing.known.update(agent.pools)
        return await self._begin(agent, joined, held)

    async def _begin(self, agent: AgentFacts, joined: Joined, held: Sequence[int]) -> Session:
        session = Session(agent, joined.epoch, self._times, self._now())
        session.draining = joined.draining
        await self._know(session, held)
        await self.shares.welcome(session)
        self._check_open()
        if before := self._open.get(joined.epoch):
            before.end(SessionOver(f"agent {agent.id} has opened another session", agent=agent.id))
        session.send(Welcome(joined.epoch, self._times, agent.server, joined.draining))
        self._open[joined.epoch] = session
        log.info("agent connected", agent=agent.id, epoch=joined.epoch, peer=agent.peer, holds=len(held))
        self._beats.look()
        self._reconciling.look()
        self._assigning.look()
        return session

    async def _know(self, session: Session, held: Sequence[int]) -> None:
        for task in held:
            facts = await self._store.library.task(task)
            # One that has ended, or is another's meanwhile, takes no room; the agent will hear it when it hands it in.
            if facts is not None and facts.node == f"agent {session.agent.id}" and not facts.state.final:
                session.hold(task, facts.pool, facts.kind)

    def _check_open(self) -> None:
        if self._is_closed:
            raise ShuttingDown("this server shuts down: go on with another")

    def _dismiss(self, session: Session) -> None:
        session.end(SessionOver(f"nothing was heard of agent {session.agent.id} for too long", agent=session.agent.id))
        self.gone(session)

    def gone(self, session: Session) -> None:
        """The stream has ended, in whatever way; the agent's epoch lives on."""
        if self._open.get(session.epoch) is session:
            del self._open[session.epoch]
            log.info("agent disconnected", agent=session.agent.id, epoch=session.epoch, holds=len(session.held))

    def close(self) -> None:
        """End every session: agents go on with another server."""
        self._is_closed = True
        for session in self._open.values():
            session.end(ShuttingDown("this server shuts down: go on with another"))

    def look(self, pools: Collection[str] = ()) -> None:
        """Something may have become claimable in these pools; without any: anywhere."""
        self._assigning.look(pools)

    def interrupted(self) -> None:
        """Somebody asked for an interrupt."""
        self._reconciling.look()

    def hinted(self, word: str) -> None:
        """A hint from the store."""
        if word in ("", "interrupt"):
            self._reconciling.look()
        if word in ("", "lane"):
            self.lanes_changed()
        if word.startswith("agent/"):
            self.drained(word.removeprefix("agent/"))

    def drained(self, agent: str) -> None:
        """Somebody drained an agent, or resumed it."""
        self._beats.refresh(agent)

    def lanes_changed(self) -> None:
        """Somebody left a lane, or its line."""
        for session in self._open.values():
            if session.waits_at_lanes:
                session.waits_at_lanes = False
                session.send(LaneNews())

    def heartbeat(self, session: Session, number: int) -> None:
        session.heartbeat = number
        session.heard(self._now())

    def credits(self, session: Session, credits: dict[str, int]) -> None:
        """How much the agent takes of each pool from now on."""
        session.heard(self._now())
        session.takes(credits)
        self._assigning.look(set(credits))

    async def goodbye(self, session: Session) -> None:
        """The agent goes for good: its epoch ends."""
        self.gone(session)
        await self._store.cluster.leave(session.epoch)
        if session.held:
            await self._node.recover()
            self._node.look()
        session.end()

    async def say(self, session: Session, said: Sequence[Said]) -> set[int]:
        """As `Work.say`."""
        accepted = await self._store.queue.say(session.epoch, said)
        self._on_news(accepted)
        return accepted

    async def finish(self, session: Session, ended: Sequence[Ended]) -> list[Settled]:
        """As `Work.finish`."""
        settled = await self._store.queue.finish(session.epoch, ended)
        pools = session.release(one.task for one in ended)
        self._node.take_note(settled)
        self._on_news(one.task for one in settled)
        back = any(one.verdict in (Verdict.RETURNED, Verdict.RETRY) for one in settled)
        if back:
            self._node.look()
        elif pools:
            self._assigning.look(pools)
        return settled

    async def make_child(self, session: Session, parent: int, attempt: int, request: Request) -> Receipt:
        """A task that an attempt of the agent's makes; whose it is, the store says.

        Raises what `Children.store` does.
        """
        facts = await self._store.library.task(parent)
        if facts is None:
            raise TaskNotFound(f"there is no task {parent}", task=parent)
        acting = Claimed(
            id=parent,
            attempt=attempt,
            uncounted=facts.uncounted,
            kind=facts.kind,
            priority=facts.priority,
            next_try_at=facts.created_at,
            payload=b"",
            title=facts.title,
            trigger=facts.trigger,
            initiator=facts.initiator,
            labels=b"",
            created_at=facts.created_at,
            attempt_limit=None,
            retry_pause=None,
            origin=facts.origin,
            trace=facts.trace,
        )
        return await self._node.children.store(acting, session.epoch, request)

    def documents(self, session: Session, plugin: str, task: int, attempt: int) -> tuple[Documents, Parent]:
        """Where documents are, and the attempt that they are read and written for.

        Whoever takes over an agent's host must not reach what others run from, such as the library of scripts: only
        the plugin whose task it holds.  Raises `AttemptSuperseded` or `NotThisPlugin`.
        """
        parent = Parent(task, attempt, session.epoch)
        if (held := session.held.get(task)) is None:
            raise AttemptSuperseded(superseded(parent))
        if not self._plugins.may_use(plugin, held.kind):
            raise NotThisPlugin(f"a task of the kind {held.kind} has no documents of {plugin!r}", plugin=plugin)
        return self._store.documents, parent

    async def enter_lane(self, session: Session, entrant: Entrant) -> Turn:
        """As `Entrances.enter`."""
        turn = await self._store.lanes.enter(entrant)
        session.waits_at_lanes |= turn.fence is None
        return turn

    async def leave_lane(self, entrant: Entrant) -> None:
        """As `Entrances.leave`."""
        await self._store.lanes.leave(entrant)
        self._node.lanes.look()
        self.lanes_changed()

    async def check_lane(self, entrant: Entrant, fence: int) -> bool:
        """As `Entrances.holds`."""
        return await self._store.lanes.holds(entrant, fence)

    async def called(self, session: Session, waiting: Collection[Entrant]) -> set[Entrant]:
        """As `Entrances.called`."""
        session.waits_at_lanes = True
        return await self._store.lanes.called(waiting)


def _connected(agent: str, living: Living) -> AgentConnected:
    since = f"{living.joined_at:%Y-%m-%d %H:%M:%S} UTC"
    return AgentConnected(
        f"agent {agent} is connected already, since {since} from {living.peer}: stop that one first, or give this one"
        " an id of its own",
        agent=agent,
        epoch=living.epoch,
        machine=living.machine,
        pid=living.pid,
        pid_started=living.pid_started,
        since=living.joined_at.isoformat(),
        renewed=living.renewed_at.isoformat(),
        peer=living.peer,
    )
