"""Bulk actions as operators ask for them.

look (dry run)      how many match, and a few of them
ask ─> a task       that does it (host/bulk_kinds.py)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol
from uuid import UUID

import msgspec

from windlass.core.filters import Filter, parse_filter
from windlass.errors import InvalidArgument
from windlass.host.admission import HIGHEST_PRIORITY, Admission, Caller, Request, check_priority
from windlass.host.bulk_kinds import POOL, BulkHandler, BulkReprioritize, Order
from windlass.host.enqueuer import Enqueuer
from windlass.store.facts import Asked, Interrupted, Note, Receipt, TaskFacts
from windlass.store.port import MOST_COUNTED, Library

HIGHEST_RATE = 1_000
SAMPLES = 5
LONGEST_LABEL = 90
METHOD = "windlass.v1.Tasks/BulkRetry"
"""What the audit log names where a bulk retry makes a task of a privileged kind."""


class Preview(msgspec.Struct, frozen=True):
    """`matching` is counted up to `MOST_COUNTED`; `is_more`: there are more."""

    matching: int
    is_more: bool
    samples: tuple[TaskFacts, ...]


class Bulk:
    """Bulk actions as operators ask for them."""

    def __init__(self, library: Library, admission: Admission, enqueuer: Enqueuer) -> None:
        self._library = library
        self._admission = admission
        self._enqueuer = enqueuer

    async def look(self, kind: type[BulkHandler], order: Order) -> Preview:
        """What it would act on now.  Raises `InvalidArgument`, or `FilterTooBroad`."""
        filter_, pools = checked(kind, order), frozenset(order.pools)
        count = await self._library.count_matching(filter_, kind.section, MOST_COUNTED, pools)
        first = await self._library.ids_matching(filter_, kind.section, 0, SAMPLES, pools)
        found = [await self._library.task(task, pools) for task in first]
        samples = tuple(msgspec.structs.replace(task, payload=None, result=None) for task in found if task is not None)
        return Preview(min(count, MOST_COUNTED), count > MOST_COUNTED, samples)

    async def ask(self, kind: type[BulkHandler], order: Order, caller: Caller, request_id: str, note: Note) -> Receipt:
        """Makes the task that does it.  One of a scoped caller works in a pool of its own, where it can be seen.

        There it goes before the others: what waits in line may be what it is to stop.
        """
        request = Request(
            kind=kind.kind,
            pool=min((pool for pool in order.pools if self._admission.knows(pool)), default=POOL),
            priority=HIGHEST_PRIORITY,
            payload=msgspec.json.encode(order),
            trigger="operator",
            request_id=request_id,
            coalesce_key="",
        )
        task = self._admission.admit(request, caller, reserved=True)
        return await self._enqueuer.enqueue(msgspec.structs.replace(task, note=note))


def checked(kind: type[BulkHandler], order: Order) -> Filter:
    """The filter of an order that can be carried out.  Raises `InvalidArgument`."""
    if not order.filter.strip():
        raise InvalidArgument("filter is empty: say which tasks; `id > 0` means all of them", field="filter")
    if not order.reason.strip():
        raise InvalidArgument("reason is empty: say why, for those who will ask", field="reason")
    if not 1 <= order.rate <= HIGHEST_RATE:
        raise InvalidArgument(f"rate must be from 1 to {HIGHEST_RATE} tasks a second, not {order.rate}", field="rate")
    if kind is BulkReprioritize:
        check_priority(order.priority)
    return parse_filter(order.filter, kind.section.fields)


class Acts(Protocol):
    """The kernel, as far as it is needed here."""

    library: Library

    async def interrupt(self, asked: Asked, note: Note | None = None) -> Interrupted: ...
    async def reprioritize(self, task: int, priority: int, note: Note | None = None) -> None: ...
    async def retry(
        self,
        task: int,
        caller: Caller,
        request_id: str = "",
        note: Note | None = None,
        labels: Mapping[str, str] | None = None,
        witness: Note | None = None,
    ) -> Receipt: ...


class Deeds:
    """Acts for the handlers, in the name of whoever gave the order."""

    def __init__(self, kernel: Acts) -> None:
        self._kernel = kernel
        self.library = kernel.library

    async def interrupt(self, order: Order, task: int) -> None:
        await self._kernel.interrupt(Asked(task, order.by, order.reason))

    async def reprioritize(self, order: Order, task: int) -> None:
        assert order.priority is not None
        await self._kernel.reprioritize(task, order.priority)

    async def retry(self, order: Order, task: int, bulk: int, request_id: UUID) -> None:
        labels = {"bulk": f"tasks/{bulk}", "reason": order.reason[:LONGEST_LABEL]}
        who = Caller(order.by, order.origin, order.role, frozenset(order.pools))
        request = msgspec.json.encode({"bulk": f"tasks/{bulk}"}).decode()
        witness = Note(order.by, order.credential, order.role, METHOD, f"tasks/{task}", order.reason, request)
        await self._kernel.retry(task, who, str(request_id), labels=labels, witness=witness)
