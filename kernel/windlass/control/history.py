"""The History service: cards and their timelines."""

from __future__ import annotations

from typing import Any

from windlass_proto.v1 import history_service_pb2, history_service_pb2_grpc

from windlass.control import convert, convert_workers, scope
from windlass.control.lists import listing
from windlass.control.paging import LARGEST_REPLY, bounded, page_size, read_token, write_token
from windlass.control.status import answers
from windlass.core.fields import CARDS
from windlass.errors import InvalidArgument, TaskNotFound
from windlass.host.kernel import Kernel
from windlass.store.facts import EventFacts, Watched


class HistoryServicer(history_service_pb2_grpc.HistoryServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._library = kernel.library
        self._roster = kernel.roster

    @answers
    async def Get(self, request: history_service_pb2.GetCardRequest, context: Any) -> history_service_pb2.Card:
        task = convert.read_id(request.name, "cards")
        facts = await self._library.card(task, scope.pools())
        if facts is None:
            raise TaskNotFound(f"task {task} has no card: it waits for its first attempt, or never was", task=task)
        card = convert.full_card(facts)
        if (host := await self._roster.host(facts.task)) is not None:
            card.task.host.CopyFrom(convert_workers.host(host))
        return card

    @answers
    async def List(
        self, request: history_service_pb2.ListCardsRequest, context: Any
    ) -> history_service_pb2.ListCardsResponse:
        if request.origin not in (0, 1, 2):
            raise InvalidArgument(f"origin {request.origin} is none that is known", field="origin")
        name = f"cards of origin {request.origin}"
        asked = listing(name, CARDS, tuple[int], request.filter, request.order_by)
        after, pools = asked.place(request.page_token), scope.pools()

        async def read(size: int) -> history_service_pb2.ListCardsResponse:
            origin = request.origin or None
            page = await self._library.cards(size, after, origin, asked.filter, asked.order, pools)
            return history_service_pb2.ListCardsResponse(
                cards=map(convert.card, page.items), next_page_token=asked.token(page.after)
            )

        return await bounded(read, page_size(request.page_size, 50))

    @answers
    async def ListSteps(
        self, request: history_service_pb2.ListStepsRequest, context: Any
    ) -> history_service_pb2.ListStepsResponse:
        task = convert.read_id(request.parent, "cards", "parent")
        name, size = f"steps of {task}", page_size(request.page_size, 100)
        (after,) = read_token(name, request.page_token, tuple[int]) or (0,)
        await scope.check_task(self._library, task)
        found = await self._library.events([Watched(task, after, timeline_only=True)], size + 1)
        events = found.get(task, [])
        if not events and not after:
            raise TaskNotFound(f"there is no task {task}", task=task)
        shown = _bounded(events[:size])
        token = write_token(name, (shown[-1].sequence,) if len(events) > len(shown) else None)
        return history_service_pb2.ListStepsResponse(
            steps=[convert.step(task, event) for event in shown], next_page_token=token
        )

    @answers
    async def ReadOutput(
        self, request: history_service_pb2.ReadOutputRequest, context: Any
    ) -> history_service_pb2.ReadOutputResponse:
        task, size = convert.read_id(request.parent, "cards", "parent"), page_size(request.page_size, 100)
        if request.attempt < 0:
            raise InvalidArgument(f"attempt must not be negative, and is {request.attempt}", field="attempt")
        if request.stream not in (0, 1, 2):
            raise InvalidArgument(f"stream {request.stream} is none that is known", field="stream")
        name = f"output of {task}, attempt {request.attempt}, stream {request.stream}"
        (after,) = read_token(name, request.page_token, tuple[int]) or (0,)
        if await self._library.task(task, scope.pools()) is None:
            raise TaskNotFound(f"there is no task {task}", task=task)
        page = await self._library.output(task, after, size, request.attempt or None, request.stream or None)
        return history_service_pb2.ReadOutputResponse(
            chunks=map(convert.output_chunk, page.items), next_page_token=write_token(name, page.after)
        )


def _bounded(events: list[EventFacts]) -> list[EventFacts]:
    """As many as a reply may hold, at least one: lines can be long."""
    size = 0
    for n, event in enumerate(events):
        size += len(event.text) * 4 + len(event.data or b"") + 100
        if n and size > LARGEST_REPLY:
            return events[:n]
    return events
