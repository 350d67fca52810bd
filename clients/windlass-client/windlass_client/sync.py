"""The same client for code without an event loop: every method below is the asynchronous one, run on a loop of its own.

Nothing is written twice: `waits` and `iterates` keep name, parameters, types and docstring of the method they wrap.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing
from typing import Any, Self, TypeVar, Unpack

from windlass_client.access import Access
from windlass_client.client import Client, Handle
from windlass_client.cluster import Cluster
from windlass_client.errors import WindlassError
from windlass_client.operations import Operations
from windlass_client.overview import Overview
from windlass_client.portal import Blocking, Portal, iterates, waits
from windlass_client.resources import NewTask, Receipt, TaskOptions
from windlass_client.schedules import Schedules
from windlass_client.tls import Tls

T = TypeVar("T")


class SyncHandle(Blocking[Handle]):
    """Handle, for threads."""

    @property
    def id(self) -> int:
        return self._wrapped.id

    @property
    def receipt(self) -> Receipt:
        return self._wrapped.receipt

    watch = iterates(Handle.watch)
    result = waits(Handle.result)
    task = waits(Handle.task)
    interrupt = waits(Handle.interrupt)
    explain = waits(Handle.explain)


class SyncSchedules(Blocking[Schedules]):
    """Schedules, for threads."""

    create = waits(Schedules.create)
    get = waits(Schedules.get)
    list = iterates(Schedules.list)
    page = waits(Schedules.page)
    update = waits(Schedules.update)
    delete = waits(Schedules.delete)
    pause = waits(Schedules.pause)
    resume = waits(Schedules.resume)
    run = waits(Schedules.run)
    ticks = iterates(Schedules.ticks)
    tick_page = waits(Schedules.tick_page)


class SyncCluster(Blocking[Cluster]):
    """Cluster, for threads."""

    info = waits(Cluster.info)
    nodes = waits(Cluster.nodes)
    drain = waits(Cluster.drain)
    resume_node = waits(Cluster.resume_node)
    agents = waits(Cluster.agents)
    agent = waits(Cluster.agent)
    drain_agent = waits(Cluster.drain_agent)
    forget_agent = waits(Cluster.forget_agent)
    resume_agent = waits(Cluster.resume_agent)
    pools = waits(Cluster.pools)
    pool = waits(Cluster.pool)
    resize = waits(Cluster.resize)
    pause_pool = waits(Cluster.pause_pool)
    resume_pool = waits(Cluster.resume_pool)
    kinds = waits(Cluster.kinds)
    kind = waits(Cluster.kind)
    pause_kind = waits(Cluster.pause_kind)
    resume_kind = waits(Cluster.resume_kind)
    lanes = waits(Cluster.lanes)
    reload = waits(Cluster.reload)


class SyncOperations(Blocking[Operations]):
    """Operations, for threads."""

    list = waits(Operations.list)
    call = waits(Operations.call)


class SyncOverview(Blocking[Overview]):
    """Overview, for threads."""

    get = waits(Overview.get)
    watch = iterates(Overview.watch)


class SyncAccess(Blocking[Access]):
    """Access, for threads."""

    whoami = waits(Access.whoami)
    create_token = waits(Access.create_token)
    tokens = iterates(Access.tokens)
    token_page = waits(Access.token_page)
    revoke = waits(Access.revoke)
    audit = iterates(Access.audit)
    audit_page = waits(Access.audit_page)


class SyncClient(Blocking[Client]):
    """Client, for threads: any number of them may use one.  Close it, or use it as a context manager."""

    def __init__(self, portal: Portal, wrapped: Client) -> None:
        super().__init__(portal, wrapped)
        self.schedules = SyncSchedules(portal, wrapped.schedules)
        self.cluster = SyncCluster(portal, wrapped.cluster)
        self.operations = SyncOperations(portal, wrapped.operations)
        self.overview = SyncOverview(portal, wrapped.overview)
        self.access = SyncAccess(portal, wrapped.access)

    @classmethod
    def connect(
        cls,
        address: str | None = None,
        token: str | None = None,
        *,
        tls: Tls | bool | None = None,
        profile: str | None = None,
        timeout: float = 30.0,
    ) -> Self:
        """As Client.connect."""

        async def connect() -> Client:
            return Client.connect(address, token, tls=tls, profile=profile, timeout=timeout)

        portal = Portal()
        try:
            return cls(portal, portal.call(connect()))  # on the loop that the client will belong to
        except BaseException:
            portal.close()
            raise

    def with_token(self, token: str) -> Self:
        """As Client.with_token; to be closed by itself."""

        async def made() -> Client:
            return self._wrapped.with_token(token)

        portal = Portal()
        return type(self)(portal, portal.call(made()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._portal.call(self._wrapped.close())
        self._portal.close()

    @property
    def address(self) -> str:
        """Of the server this client calls."""
        return self._wrapped.address

    def enqueue(self, kind: str, payload: Any = None, **options: Unpack[TaskOptions]) -> SyncHandle:
        """As Client.enqueue."""
        return SyncHandle(self._portal, self._portal.call(self._wrapped.enqueue(kind, payload, **options)))

    def enqueue_batch(self, tasks: Sequence[NewTask]) -> list[SyncHandle]:
        """As Client.enqueue_batch."""
        return [SyncHandle(self._portal, each) for each in self._portal.call(self._wrapped.enqueue_batch(tasks))]

    def enqueue_stream(
        self,
        tasks: Iterable[NewTask | Sequence[NewTask]],
        *,
        on_outage: Callable[[WindlassError], None] | None = None,
    ) -> Iterator[SyncHandle]:
        """As Client.enqueue_stream; `tasks` is read in a thread of its own."""
        for handle in _enqueue_stream(self, tasks, on_outage):
            yield SyncHandle(self._portal, handle)

    def retry(self, id: int, reason: str = "", *, request_id: str | None = None) -> SyncHandle:
        """As Client.retry."""
        return SyncHandle(self._portal, self._portal.call(self._wrapped.retry(id, reason, request_id=request_id)))

    ready = waits(Client.ready)
    get_task = waits(Client.get_task)
    list_tasks = iterates(Client.list_tasks)
    task_page = waits(Client.task_page)
    interrupt = waits(Client.interrupt)
    reprioritize = waits(Client.reprioritize)
    explain = waits(Client.explain)
    watch = iterates(Client.watch)
    result = waits(Client.result)
    get_card = waits(Client.get_card)
    list_cards = iterates(Client.list_cards)
    card_page = waits(Client.card_page)
    list_steps = iterates(Client.list_steps)
    step_page = waits(Client.step_page)
    read_output = iterates(Client.read_output)
    output_page = waits(Client.output_page)
    watch_queue = iterates(Client.watch_queue)
    bulk_interrupt = waits(Client.bulk_interrupt)
    bulk_retry = waits(Client.bulk_retry)
    bulk_reprioritize = waits(Client.bulk_reprioritize)


@iterates
async def _enqueue_stream(
    client: Client, tasks: Iterable[NewTask | Sequence[NewTask]], on_outage: Callable[[WindlassError], None] | None
) -> AsyncGenerator[Handle, None]:
    async with aclosing(client.enqueue_stream(_from_thread(tasks), on_outage=on_outage)) as handles:
        async for handle in handles:
            yield handle


async def _from_thread(items: Iterable[T]) -> AsyncGenerator[T, None]:
    """One by one: a source that pauses holds back nothing that it gave before."""
    iterator, end = iter(items), object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        yield item  # type: ignore[misc]  # it is not the end, so it is a T
