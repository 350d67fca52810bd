"""The queue as people see it: in pages, and its first page as it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

from windlass_proto.v1 import tasks_service_pb2

from windlass.control import convert, scope
from windlass.control.lists import Listing, listing
from windlass.control.paging import bounded, page_size
from windlass.control.status import answers, streams
from windlass.core.fields import TASKS
from windlass.host.kernel import Kernel

ActivePlace = tuple[int, int, int, datetime]
LARGEST_WATCHED = 200


class QueueLists:
    """The part of the Tasks service that lists."""

    _kernel: Kernel

    @answers
    async def List(
        self, request: tasks_service_pb2.ListTasksRequest, context: Any
    ) -> tasks_service_pb2.ListTasksResponse:
        asked = _asked(request)
        after, pools = asked.place(request.page_token), scope.pools()

        async def read(size: int) -> tasks_service_pb2.ListTasksResponse:
            page = await self._kernel.library.active(size, after, asked.filter, asked.order, pools)
            return tasks_service_pb2.ListTasksResponse(
                tasks=map(convert.task, page.items), next_page_token=asked.token(page.after)
            )

        return await bounded(read, page_size(request.page_size, 50))

    @streams
    async def WatchQueue(
        self, request: tasks_service_pb2.WatchQueueRequest, context: Any
    ) -> AsyncIterator[tasks_service_pb2.QueueChange]:
        asked, size = _asked(request), min(page_size(request.page_size, 50), LARGEST_WATCHED)
        async with aclosing(self._kernel.pages.follow(asked.filter, asked.order, size, scope.pools())) as changes:
            async for change in changes:
                yield convert.queue_change(change)


def _asked(request: tasks_service_pb2.ListTasksRequest | tasks_service_pb2.WatchQueueRequest) -> Listing:
    return listing("active", TASKS, ActivePlace, request.filter, request.order_by)
