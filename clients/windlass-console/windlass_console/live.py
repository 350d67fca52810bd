"""One watch of the server for all browsers, and the hints that tell them what to load again."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from windlass_client import Client, Operation, Picture, Unavailable

from windlass_console.series import STEP, Series

T = TypeVar("T")

WATCHED = 0.5
"""Seconds between two pictures while a browser listens: with the way to it, what changes is on the page in a second."""
UNWATCHED = STEP / 2
"""Seconds between two pictures while none does: enough for the samples of the charts."""
LINGER = 10.0
"""So many seconds at most after the last browser has gone: one that goes from page to page is soon back."""
AGAIN_SECONDS = 1.0
OPERATIONS_SECONDS = 60.0
PAUSE = 0.15
"""Seconds between two hints to the same browser, at least."""
HINTS_A_SECOND = 50
"""To all browsers together: each makes its browser load something, so many consoles are told less often each."""

log = logging.getLogger(__name__)


class Listener:
    """A browser that is told what changed.  However slow it reads, it holds no more than the set of topics."""

    def __init__(self) -> None:
        self._topics: set[str] = set()
        self._news = asyncio.Event()

    def tell(self, topics: set[str]) -> None:
        self._topics |= topics
        self._news.set()

    async def next(self) -> set[str]:
        await self._news.wait()
        self._news.clear()
        topics, self._topics = self._topics, set()
        return topics


class Live:
    """`picture` is the latest, None before the first; `reachable` whether the server answers, else `trouble` in words.

    `changed_at`: since when it is reachable, or is not.  `series`: the last hour, since `started`.

    A hint is a set of topics: `overview` (the picture changed), `queue` (the first page of the queue changed),
    `history` (a card began, ended or waits again), `link` (the server went or came back).

    `operations` are those that the server's plugins have registered, at most a minute old.
    """

    def __init__(self, client: Client) -> None:
        self.picture: Picture | None = None
        self.reachable = False
        self.trouble = "the console has not reached the server yet"
        self.started = self.changed_at = datetime.now(UTC)
        self.series = Series()
        self.version = 0
        self.operations: Sequence[Operation] = ()
        self._client = client
        self._seen_at = 0.0
        self._made: dict[str, Any] = {}
        self._listeners: set[Listener] = set()
        self._somebody = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        works = (self._watch(), self._again(self._look_at_operations), self._sample())
        self._tasks = [asyncio.create_task(work) for work in works]

    async def close(self) -> None:
        await _end(self._tasks)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    @property
    def pause(self) -> float:
        """Seconds between two hints to one browser: more when there are many, and never the same for all of them."""
        spread = random.uniform(0.8, 1.2)  # noqa: S311 - spreads requests, keeps no secret
        return max(PAUSE, len(self._listeners) / HINTS_A_SECOND) * spread

    async def hints(self) -> AsyncGenerator[set[str], None]:
        """What changed, from now on: the first at once, then many changes as one."""
        mine = Listener()
        self._listeners.add(mine)
        self._somebody.set()
        try:
            while True:
                yield await mine.next()
                await asyncio.sleep(self.pause)
        finally:
            self._listeners.discard(mine)

    def tell(self, *topics: str) -> None:
        self.version += 1
        for listener in self._listeners:
            listener.tell(set(topics))

    def link_words(self) -> str:
        """For the browser: whether the server answers, what is wrong when it does not, and what it may have missed."""
        since = self.changed_at.isoformat(timespec="seconds")
        state = {"reachable": self.reachable, "trouble": self.trouble, "since": since, "version": self.version}
        return json.dumps(state)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What is made of the newest picture, once for all who ask until the next one comes."""
        if name not in self._made:
            self._made[name] = make()
        made: T = self._made[name]
        return made

    async def _watch(self) -> None:
        """Closely while a browser listens; else the server is looked at no more than the charts need."""
        while True:
            async with _going_on(self._again(partial(self._watch_overview, UNWATCHED), self._lost)):
                await self._somebody.wait()
            closely = self._again(partial(self._watch_overview, WATCHED), self._lost)
            async with _going_on(closely, self._again(self._watch_queue)):
                while self._listeners:  # noqa: ASYNC110 - who goes from page to page is not to be noticed
                    await asyncio.sleep(LINGER)
            self._somebody.clear()

    async def _again(
        self, watch: Callable[[], Awaitable[None]], lost: Callable[[Exception], None] | None = None
    ) -> None:
        """A watch that ended is begun again: without it the pages would stand still and call themselves live."""
        while True:
            try:
                await watch()
            except Exception as error:
                if not isinstance(error, Unavailable):
                    log.exception("a watch of the server ended; it is begun again")
                if lost:
                    lost(error)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _watch_overview(self, interval: float) -> None:
        async with aclosing(self._client.overview.watch(interval, on_outage=self._lost)) as pictures:
            async for picture in pictures:
                self._show(picture)

    async def _watch_queue(self) -> None:
        async with aclosing(self._client.watch_queue(page_size=100)) as changes:
            async for _ in changes:
                self.tell("queue")

    async def _sample(self) -> None:
        while True:
            await asyncio.sleep(STEP - time.time() % STEP)
            self._add_sample()

    def _add_sample(self) -> None:
        age = time.monotonic() - self._seen_at
        self.series.add(time.time(), self.picture if self.reachable else None, age)
        self._made.clear()

    async def _look_at_operations(self) -> None:
        while True:
            self.operations = await self._client.operations.list()
            await asyncio.sleep(OPERATIONS_SECONDS)

    def _show(self, picture: Picture) -> None:
        before, self.picture = self.picture, picture
        self._seen_at = time.monotonic()
        self._made.clear()
        topics = {"overview", "queue"}
        if before is None or before.counts != picture.counts:
            topics.add("history")
        if not self.reachable:
            self.reachable, self.trouble, self.changed_at = True, "", datetime.now(UTC)
            topics |= {"link", "history"}
            self._add_sample()  # so that the charts begin with it, not up to a step later
        self.tell(*topics)

    def _lost(self, error: Exception) -> None:
        trouble = f"the server at {self._client.address} does not answer: {error}"
        if not isinstance(error, Unavailable):
            trouble = f"the server at {self._client.address} does not show the console what goes on: {error}"
        if not self.reachable and self.trouble == trouble:
            return
        if self.reachable:
            self.changed_at = datetime.now(UTC)
        self.reachable, self.trouble = False, trouble
        self._made.clear()
        self.tell("link", "overview")


@asynccontextmanager
async def _going_on(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        await _end(tasks)


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
