"""A lane for a handler that is not on the node's event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from windlass.errors import AttemptSuperseded
from windlass.handler import BlockingLane, Context, Lane


class Passage:
    """One way through a lane on behalf of somebody elsewhere.  Belongs to the loop; `leave` may come at any time."""

    _lane: Lane | None = None
    _entering: asyncio.Task[object] | None = None

    def __init__(self, ctx: Context, name: str, waiting: str) -> None:
        self._name = name
        self._way = ctx.lane(name, waiting)

    async def enter(self) -> int:
        """The fence."""
        self._entering = asyncio.current_task()
        try:
            self._lane = await self._way.__aenter__()
        finally:
            self._entering = None
        return self._lane.fence

    async def check(self) -> None:
        if self._lane is None:
            raise AttemptSuperseded(f"lane {self._name!r} was left before")
        await self._lane.check()

    async def leave(self) -> None:
        """Give up the lane, or the place in line."""
        if self._entering is not None:
            self._entering.cancel()
            await asyncio.wait((self._entering,))
        lane, self._lane = self._lane, None
        if lane is not None:
            await self._way.__aexit__(None, None, None)


class Inside(BlockingLane):
    def __init__(self, name: str, fence: int, check: Callable[[], object]) -> None:
        self.name = name
        self.fence = fence
        self._check = check

    def check(self) -> None:
        self._check()
