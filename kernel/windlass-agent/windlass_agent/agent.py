"""The agent: a worker whose store is behind a stream."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import structlog
from windlass.config import NodeConfig
from windlass.core.agents import pool_of
from windlass.core.lifecycle import Verdict
from windlass.errors import WindlassError
from windlass.host import process
from windlass.host.context import Means
from windlass.host.plugins import Plugins
from windlass.host.service import Service
from windlass.host.worker import Worker
from windlass.store.facts import Asked, Claimed, Ended
from windlass_proto.v1 import agent_pb2, workers_pb2, workers_service_pb2

from windlass_agent import convert
from windlass_agent.documents import RemoteArchive
from windlass_agent.host import this_host
from windlass_agent.place import Place
from windlass_agent.remote import RemoteChildren, RemoteEntrances, RemoteWork
from windlass_agent.session import Session

log = structlog.get_logger()

CREDIT_SECONDS = 0.5


class Agent(Worker):
    """`slots`: how much it takes of each pool at most, its own among them."""

    def __init__(
        self,
        id_: str,
        place: Place,
        plugins: Plugins,
        config: NodeConfig,
        slots: Mapping[str, int],
        labels: Mapping[str, str],
    ) -> None:
        kinds = {name: kind for name, kind in plugins.kinds.items() if not kind.is_reserved}
        self._id = id_
        self._slots = dict(slots)
        self._host = this_host(dict(labels))
        self._policies = [convert.policy(kind.handler) for kind in kinds.values()]
        self.session = Session(place, self._hello)
        self._remote = RemoteWork(self.session)
        super().__init__(self._remote, RemoteEntrances(self.session), list(slots), kinds, config, lambda _: None)
        self.means = Means(self.lanes, RemoteChildren(self.session), RemoteArchive(self.session))
        self.session.hear, self.session.lost = self._hear, self._lease_lost
        self._crediting = Crediting(self)
        self.joined = asyncio.Event()
        """Set once it has been taken in."""
        self.refusal: WindlassError | None = None
        self.refused = asyncio.Event()
        """Set when the kernel takes this agent no more, for a reason (`refusal`) that waiting does not mend."""

    @property
    def services(self) -> list[Service]:
        return [*super().services, self._crediting]

    def _hello(self) -> workers_pb2.Hello:
        """Called from the session's thread."""
        here = process.this_process(())
        return workers_pb2.Hello(
            agent=self._id,
            process=workers_pb2.Process(machine=here.machine, pid=here.pid, pid_start=here.pid_started),
            host=self._host,
            pools=[agent_pb2.AgentPool(pool=name, slots=slots) for name, slots in self._slots.items()],
            kinds=self._policies,
        )

    @property
    def tick(self) -> float:
        # What is looked at is here, so a look costs nothing, and short leases need quick ones.
        return min(super().tick, self.session.lease / 20)

    async def join(self) -> None:
        try:
            self._epoch = await self.session.join()
        except WindlassError as error:
            self.refusal = error
            self.refused.set()
            # Nothing more to do until somebody ends us.
            await asyncio.get_running_loop().create_future()
        self.joined.set()
        self._heartbeat = _Pulse(self.session)
        for dispatcher in self.dispatchers:
            dispatcher.resize(self._slots[dispatcher.pool])
        log.info("agent joined", agent=self._id, epoch=self._epoch, pools=list(self._slots))
        self.credit()

    def credit(self) -> None:
        """Tell the kernel how much is taken from now on."""
        is_willing = not (self._draining or self._is_drained or self.completer.lags) and self._epoch is not None
        self.session.credit({pool: slots if is_willing else 0 for pool, slots in self._slots.items()})

    def _hear(self, message: workers_service_pb2.KernelMessage, epoch: int) -> None:
        match message.WhichOneof("message"):
            case "assignment":
                self._assigned(epoch, message.assignment.pool, convert.claimed(message.assignment))
            case "cancel":
                cancel = message.cancel
                self._remote.interrupted(epoch, Asked(convert.id_of(cancel.name), cancel.by, cancel.reason))
                self.interrupts_asked()
            case "lane_news":
                self.lanes.look()
            case "beat":
                self._drained(message.beat.is_drained)
            case "welcome":
                self._drained(message.welcome.is_drained)

    def _assigned(self, epoch: int, pool: str, claimed: Claimed) -> None:
        if self._draining or self._is_drained or claimed.kind not in self._kinds or pool not in self._slots:
            # It was on its way when we said that we take no more.
            self._return_unstarted(epoch, claimed)
            return
        self._remote.assigned(epoch, pool, claimed)
        self.look_in({pool})

    def _drained(self, is_drained: bool) -> None:
        super()._drained(is_drained)
        self.credit()

    def _return_waiting(self) -> None:
        super()._return_waiting()
        if self._epoch is not None:
            for claimed in self._remote.give_up():
                self.completer.add(self._epoch, Ended(claimed.id, claimed.attempt, Verdict.RETURNED, None))

    async def _tell_of_drain(self) -> None:
        self.credit()

    async def drain(self) -> None:
        self._draining = True
        self.credit()
        await super().drain()

    async def leave(self) -> None:
        """Give the epoch up, for good."""
        self._draining, self._epoch = True, None
        await self.session.leave()

    def _lose_epoch(self) -> None:
        epoch = self._epoch
        super()._lose_epoch()
        self._remote.forget()
        if epoch is not None:
            self.session.give_up(epoch)


class Crediting(Service):
    """Tells the kernel when results pile up here, and when they do no more."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent

    async def run(self) -> None:
        while True:
            await asyncio.sleep(CREDIT_SECONDS)
            self._agent.credit()


class _Pulse:
    """The session keeps the lease by itself."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def start(self) -> None: ...

    def cease(self) -> None: ...

    async def stop(self) -> None: ...

    def may_start_work(self) -> bool:
        return self._session.may_start_work()

    def must_stop_work(self) -> bool:
        return self._session.must_stop_work()


def slots_of(id_: str, own: int, others: Mapping[str, int | None]) -> dict[str, int]:
    """How much an agent takes of its own pool and of others; where nothing is said of one, as much as of its own."""
    return {pool_of(id_): own} | {pool: own if slots is None else slots for pool, slots in others.items()}
