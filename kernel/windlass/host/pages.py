"""Followers of the queue: the first page of a list, kept current.

All followers of one list (its filter, order, size and scope) share one look a second.  A follower is told what differs
between the page it was last told of and the newest; so while it is slow it misses what lay between, and costs no more
than one page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import structlog

from windlass.core.filters import Filter
from windlass.core.orders import Order
from windlass.errors import StoreUnavailable, WindlassError
from windlass.store.facts import TaskFacts
from windlass.store.port import ALL_POOLS, Library, Scope

log = structlog.get_logger()

LOOK_SECONDS = 1.0
CURRENT_SECONDS = 15.0
LOOKS_AT_ONCE = 2
"""However many lists are followed, the rest of the node needs connections too."""


class Gone(msgspec.Struct, frozen=True):
    """A task has left the page."""

    task: int


class Current(msgspec.Struct, frozen=True):
    """Everything was told: the page is as it stood then, by this machine's clock."""

    at: datetime


Change = TaskFacts | Gone | Current
Page = Mapping[int, TaskFacts]
Look = Callable[[], Awaitable[Page]]


class Pages:
    def __init__(self, library: Library) -> None:
        self._library = library
        self._views: dict[object, _View] = {}
        self._turn = asyncio.Semaphore(LOOKS_AT_ONCE)

    @property
    def followers(self) -> int:
        return sum(view.followers for view in self._views.values())

    @property
    def lists(self) -> int:
        """How many different lists are looked at."""
        return len(self._views)

    async def follow(
        self, filter: Filter, order: Order, size: int, pools: Scope = ALL_POOLS
    ) -> AsyncGenerator[Change, None]:
        """Every task on the page, `Current`, and then what changes on it, until the caller stops.

        `Current` comes again after each change, and every 15 s as long as the store answers.  Raises what the first
        look raises, and later `FilterTooBroad`.
        """
        view = self._view(filter, order, size, pools)
        view.followers += 1
        try:
            told: Page = {}
            version, at = 0, None
            while True:
                await view.news(version)
                version, page = view.version, view.page
                for change in _changes(told, page):
                    yield change
                told = page
                if view.at != at:
                    at = view.at
                    yield Current(at)
        finally:
            view.followers -= 1
            if not view.followers:
                view.stop()
                self._views = {key: one for key, one in self._views.items() if one is not view}

    async def stop(self) -> None:
        """End every look."""
        for view in self._views.values():
            view.stop()
        self._views.clear()

    def _view(self, filter: Filter, order: Order, size: int, pools: Scope) -> _View:
        key = (filter.text, order.text, size, pools)
        view = self._views.get(key)
        if view is None or view.error is not None:

            async def look() -> Page:
                async with self._turn:
                    page = await self._library.active(size, None, filter, order, pools)
                return {facts.id: facts for facts in page.items}

            view = self._views[key] = _View(look)
        return view


class _View:
    """One list, looked at once a second.  `version` grows with each change of its page; 0 before the first look."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._bell = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name="page")
        self.followers = 0
        self.version = 0
        self.page: Page = {}
        self.at = datetime.min.replace(tzinfo=UTC)
        self.error: Exception | None = None

    async def news(self, version: int) -> None:
        """Returns when the page is another than at this version, or after 15 s.  Raises when it can't be looked at."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CURRENT_SECONDS if version else None):
                while self.version == version and self.error is None:
                    await self._bell.wait()
        if self.error is not None:
            raise self.error

    def stop(self) -> None:
        self._task.cancel()

    async def _run(self) -> None:
        while self.error is None:
            try:
                await self._see()
            except StoreUnavailable as error:
                # Who was shown something waits for the next look; the time in `Current` says how old it is.
                self.error = None if self.version else error
            except WindlassError as error:
                self.error = error
            except Exception as error:
                log.exception("a followed list can't be looked at")
                self.error = error
            if self.error is None:
                await asyncio.sleep(LOOK_SECONDS)
        self._ring()

    async def _see(self) -> None:
        at, page = datetime.now(UTC), await self._look()
        self.at = at
        if page != self.page or not self.version:
            self.page = page
            self.version += 1
            self._ring()

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()


def _changes(told: Page, page: Page) -> Iterator[TaskFacts | Gone]:
    yield from (facts for task, facts in page.items() if told.get(task) != facts)
    yield from (Gone(task) for task in told if task not in page)
