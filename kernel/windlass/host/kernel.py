"""The kernel of one process, put together: what the control plane calls."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec
import structlog

from windlass import telemetry
from windlass.config import Config, LogConfig, NodeConfig, RetentionConfig
from windlass.core.agents import is_agent_pool
from windlass.core.explain import Gate, gates, veiled
from windlass.core.signals import Thresholds
from windlass.door import Doors
from windlass.errors import KindReserved, NotReloadable, PayloadInvalid, TaskInQueue, TaskNotFound, TaskOver
from windlass.handler import Handler, Twin
from windlass.host.access import Access
from windlass.host.admission import Caller, check_priority, read_request_id
from windlass.host.agents.sessions import Sessions
from windlass.host.bulk import Bulk, Deeds
from windlass.host.bulk_kinds import POOL as BULK
from windlass.host.bulk_kinds import BulkHandler
from windlass.host.documents import Archive
from windlass.host.doors import LiveDoor
from windlass.host.enqueuer import Enqueuer
from windlass.host.intake import Intake
from windlass.host.maintenance.residents import ResidentKeeper, resident_tasks
from windlass.host.maintenance.scheduler import Scheduler
from windlass.host.node import Node
from windlass.host.operations import LiveCall, Operations
from windlass.host.overview import Overview
from windlass.host.pages import Pages
from windlass.host.plugins import Plugins
from windlass.host.reloading import Reloaded, Reloader
from windlass.host.roster import Roster
from windlass.host.schedules import SCHEDULER, Timetable
from windlass.host.secret_names import secret_names
from windlass.host.sections import Sections
from windlass.host.service import Service
from windlass.host.surroundings import Surroundings
from windlass.host.to_its_end import all_at_their_end
from windlass.host.valves import Valves
from windlass.host.watches import Watches
from windlass.operation import OperationCall
from windlass.store.facts import Asked, Interrupted, NewTask, Note, Receipt
from windlass.store.pools import KindFacts
from windlass.store.port import ALL_POOLS, Scope, Store

log = structlog.get_logger()

USUAL_SLOTS = 40
OWN_SLOTS = {"maintenance": 1, BULK: 4}
"""Of these pools, where nobody configured them."""
LAST_CALLS_SECONDS = 2.0
"""For operations and reloads that are under way at a shutdown."""
MOST_CHILDREN = 1_000
"""Read at once."""


class Hints(Service):
    """Passes the store's hints on."""

    def __init__(self, store: Store, node: Node, scheduler: Scheduler, access: Access, agents: Sessions) -> None:
        self._store = store
        self._node = node
        self._agents = agents
        self._scheduler = scheduler
        self._access = access

    async def run(self) -> None:
        async for word in self._store.hints():
            self._node.hinted(word)
            self._agents.hinted(word)
            if word in ("", "schedule"):
                self._scheduler.look()
            if word in ("", "access"):
                self._access.forget()


class Kernel:
    def __init__(
        self,
        store: Store,
        plugins: Plugins,
        config: NodeConfig,
        surroundings: Surroundings | None = None,
        retention: RetentionConfig | None = None,
        health: Thresholds | None = None,
    ) -> None:
        surroundings = surroundings or Surroundings()
        self._store = store
        self._plugins = plugins
        payloads = [kind.handler.payload_type for kind in plugins.kinds.values()]
        self.secret_names = secret_names([*payloads, *(one.operation.argument for one in plugins.operations.values())])
        self.library = store.library
        self.statistics = store.statistics
        self.watches = Watches(store.library)
        self.pages = Pages(store.library)
        self._pools = self._configured(config)
        nudge, kept = self.watches.nudge, retention or RetentionConfig()
        self.node = Node(store, plugins, config, list(self._pools), nudge, surroundings, kept)
        self.admission = self.node.admission
        self.agents = Sessions(store, self.node, plugins, config.lease_times, nudge, surroundings)
        self.node.sharing.guests = self.agents.shares
        self.node.on_work = self.agents.look
        self.enqueuer = Enqueuer(store.queue, self.node.stored)
        self._archive = Archive(store.documents)
        self.sections = Sections(plugins.health, self._doors("health"))
        self.overview = Overview(store.survey, store.statistics, self.sections, plugins.kinds)
        self.overview.thresholds = health or Thresholds()
        self.bulk = Bulk(store.library, self.admission, self.enqueuer)
        for kind in plugins.kinds.values():
            if isinstance(kind.handler, BulkHandler):
                kind.handler.doer = Deeds(self)
        self.intake = Intake(self.enqueuer.enqueue_batch)
        self.valves = Valves(store.pools, store.cluster, store.agents, self.node)
        self.valves.on_agent = self.agents.drained
        self.operations = Operations(plugins.operations, store.audit, self._call)
        self.reloader: Reloader | None = None
        self.roster = Roster(store, plugins, lambda: self.node.epoch)
        leads, stored = self.node.leadership.membership, self.node.stored
        scheduler = Scheduler(store.schedules, leads, plugins.kinds, stored, surroundings.now)
        self.timetable = Timetable(store.schedules, self.admission, plugins, stored, scheduler.look)
        residents = ResidentKeeper(store.residents, leads, resident_tasks(plugins.residents, self.admission), stored)
        maintenance: list[Service] = [scheduler, residents]
        self.access = Access(store.tokens)
        self.audit = store.audit
        hints = Hints(store, self.node, scheduler, self.access, self.agents)
        self._services: list[Service] = [self.watches, *self.node.services, *maintenance, self.access, hints]
        self._services += self.agents.services

    async def start(self) -> None:
        """Join and begin to work.  Raises `StoreUnavailable`, `BootError`, or what a plugin's start-up hook raised."""
        await self._store.pools.register(self._pools, [_facts(kind.handler) for kind in self._plugins.kinds.values()])
        await self.timetable.register()
        await self._plugins.startup(self._doors("startup"))
        await self.node.join()
        await self.node.leadership.beat()
        await self.node.recover()
        for service in self._services:
            service.start()

    def rereads(self, config: Config, read: Callable[[], Config], set_up_log: Callable[[LogConfig], None]) -> Reloader:
        """From here on the configuration can be read again; see `Reloader`."""
        doors = self._doors("config_reload")
        self.reloader = Reloader(config, read, self, self._plugins, self._store.audit, doors, set_up_log)
        return self.reloader

    async def reload(self, note: Note | None = None) -> Reloaded:
        """Read the configuration again.  Raises `ConfigError`, `StoreUnavailable`, or `NotReloadable`."""
        if self.reloader is None:
            raise NotReloadable("this server was started without a configuration that could be read again")
        return await self.reloader.reload(note)

    def pools_of(self, config: NodeConfig) -> Mapping[str, int]:
        """The slots of those pools that can be changed here and now: those that this node serves."""
        return {name: slots for name, slots in self._configured(config).items() if name in self._pools}

    async def reconfigure(self, config: Config) -> None:
        """Take what can change while tasks run.  Raises `StoreUnavailable`, and has then changed nothing."""
        await self._store.pools.register(self.pools_of(config.node), [])
        self.node.reconfigure(config.node, config.retention)
        self.overview.thresholds = config.health

    def _configured(self, config: NodeConfig) -> dict[str, int]:
        # A handler that names a pool of its own need not be configured to run.
        kinds = (kind for kind in self._plugins.kinds.values() if not kind.is_reserved)
        named = {kind.handler.pool for kind in kinds if not is_agent_pool(kind.handler.pool)} | OWN_SLOTS.keys()
        others = {name: OWN_SLOTS.get(name, USUAL_SLOTS) for name in sorted(named - config.pools.keys())}
        return config.pools | others

    def _doors(self, trigger: str) -> Doors:
        return lambda plugin: LiveDoor(
            self.admission, self.enqueuer.enqueue, trigger, SCHEDULER, self._archive.of_caller(plugin, SCHEDULER.name)
        )

    def _call(self, plugin: str, caller: Caller, reason: str) -> OperationCall:
        documents = self._archive.of_caller(plugin, caller.name)
        return LiveCall(self.admission, self.enqueuer.enqueue, caller, reason, documents)

    async def interrupt(self, asked: Asked, note: Note | None = None) -> Interrupted:
        """End a task; the node that runs it is told at once."""
        interrupted = await self._store.queue.interrupt(asked, note)
        self.node.interrupted()
        self.agents.interrupted()
        self.watches.nudge([asked.task])
        last = 0
        while children := await self.library.children(asked.task, MOST_CHILDREN, after=last):
            for last in children:
                with suppress(TaskOver):
                    await self.interrupt(Asked(last, asked.by, f"its parent {asked.task} was interrupted"))
        return interrupted

    async def reprioritize(self, task: int, priority: int, note: Note | None = None) -> None:
        """Raises `InvalidArgument`, `TaskNotFound` or `TaskOver`."""
        check_priority(priority)
        await self._store.queue.reprioritize(task, priority, note)
        self.node.look()

    async def retry(
        self,
        task: int,
        caller: Caller,
        request_id: str = "",
        note: Note | None = None,
        labels: Mapping[str, str] | None = None,
        witness: Note | None = None,
    ) -> Receipt:
        """Ask again for what a task that has ended was asked: a new task, which names the old one, with more `labels`.

        `witness` is written down in place of `note` when its kind is privileged.

        Raises `TaskNotFound`, `TaskInQueue` when it has not ended, `PayloadInvalid` when its handler can't fold what
        joined it, or `RoleTooLow`.
        """
        facts, request = await self.library.task(task), await self.library.request(task)
        if facts is None or request is None:
            raise TaskNotFound(f"there is no task {task}", task=task)
        if not facts.state.final:
            raise TaskInQueue(f"task {task} has not ended: it is {facts.state.name}", task=task)
        kind = self._plugins.kinds.get(request.kind)
        if kind is not None and kind.is_reserved:
            raise KindReserved.of(request.kind, "name")
        self.admission.check_role(request.kind, caller)
        if witness is not None and self.admission.is_privileged(request.kind):
            note = witness
        again = msgspec.structs.replace(
            request,
            retry_of=task,
            trigger="retry",
            origin=caller.origin,
            initiator=caller.name,
            labels=_with_more(request.labels, labels) if labels else request.labels,
            payload=await self._whole_payload(request, task),
            request_id=read_request_id(request_id),
            body_hash=task.to_bytes(16),
            joins_running=kind is not None and kind.handler.running_twin is Twin.JOIN,
            note=note,
            trace=telemetry.trace_here(),
        )
        return await self.enqueuer.enqueue(again)

    async def explain(self, task: int, pools: Scope = ALL_POOLS) -> list[Gate]:
        """What holds a waiting task back, the nearest first; empty when it runs or is over.

        Tasks of other pools than the asker's are not named.  Raises `TaskNotFound`.
        """
        if await self.library.task(task, pools) is None:
            raise TaskNotFound(f"there is no task {task}", task=task)
        standing = await self.library.standing(task)
        found = [] if standing is None else gates(standing)
        if not pools:
            return found
        named = {other for gate in found for other in gate.tasks}
        seen = {other for other in named if await self.library.task(other, pools) is not None}
        return [veiled(gate, seen) for gate in found]

    async def _whole_payload(self, request: NewTask, task: int) -> str:
        """With what others had added to it, as its handler folds it."""
        kind = self._plugins.kinds.get(request.kind)
        joined = (await self._store.queue.joined([task])).get(task, ())
        if not joined or kind is None:
            return request.payload
        try:
            payload = kind.folded(request.payload.encode(), [one.payload for one in joined])
            return msgspec.json.encode(payload).decode()
        except Exception as error:
            raise PayloadInvalid(f"task {task} can't be asked for again: {error}") from error

    async def drain(self) -> None:
        """Finish or hand back this node's work."""
        self.intake.close()
        self.agents.close()
        await self.node.drain()
        await self.enqueuer.finished()
        await all_at_their_end(LAST_CALLS_SECONDS)
        self.watches.close()

    async def stop(self) -> None:
        """After `drain`: give up the epoch and end every service."""
        await self.node.leave()
        await self.pages.stop()
        await self.overview.stop()
        await asyncio.gather(*(service.stop() for service in reversed(self._services)))
        await self._plugins.close_executors()
        self._plugins.shutdown()


def _with_more(labels: str, more: Mapping[str, str]) -> str:
    return msgspec.json.encode(msgspec.json.decode(labels) | dict(more), order="sorted").decode()


def _facts(handler: Handler[Any]) -> KindFacts:
    return KindFacts(
        name=handler.kind,
        pool=handler.pool,
        attempts=handler.retry.attempts,
        pause=handler.retry.pause,
        start_within=handler.deadlines.queue,
        run_limit=handler.deadlines.run,
        silence_limit=handler.deadlines.silence,
        joins_running=handler.running_twin is Twin.JOIN,
    )
