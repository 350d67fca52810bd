"""The Overview service: what goes on, once or as it changes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from windlass_proto.v1 import overview_pb2, overview_service_pb2, overview_service_pb2_grpc

from windlass.control import convert_overview
from windlass.control.guard import caller
from windlass.control.status import answers, streams
from windlass.control.values import read_seconds
from windlass.host.kernel import Kernel
from windlass.host.overview import USUAL_INTERVAL
from windlass.host.picture import Picture

SCOPES_AT_ONCE = 16


class OverviewServicer(overview_service_pb2_grpc.OverviewServicer):
    def __init__(self, kernel: Kernel) -> None:
        self._overview = kernel.overview
        self._last: dict[frozenset[str], tuple[Picture, overview_pb2.Picture]] = {}

    @answers
    async def GetOverview(self, request: overview_service_pb2.GetOverviewRequest, context: Any) -> overview_pb2.Picture:
        pools = caller.get().pools
        return self._message(await self._overview.picture(pools), pools)

    @streams
    async def WatchOverview(
        self, request: overview_service_pb2.WatchOverviewRequest, context: Any
    ) -> AsyncIterator[overview_pb2.Picture]:
        pools = caller.get().pools
        interval = read_seconds(request.interval, "interval") if request.HasField("interval") else USUAL_INTERVAL
        async with aclosing(self._overview.watch(interval, pools)) as pictures:
            async for picture in pictures:
                yield self._message(picture, pools)

    def _message(self, picture: Picture, pools: frozenset[str]) -> overview_pb2.Picture:
        """Made once for all who are sent the same picture."""
        known = self._last.get(pools)
        if known is not None and known[0] is picture:
            return known[1]
        if len(self._last) >= SCOPES_AT_ONCE:
            self._last.clear()
        message = convert_overview.picture(picture)
        self._last[pools] = (picture, message)
        return message
