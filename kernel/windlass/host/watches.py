"""Followers of tasks: all of them on this node share their queries.

A follower asks for the next events and gets them when there are any; while it is busy with the last ones it costs
nothing and nothing is gathered for it, so a slow reader holds one portion here and no more.

Who has just asked may have far to come: he is looked after at once, a few of these in one query.  A look that found
nothing has shown that he is up to date; all of those share one query every `POLL_SECONDS`, which comes to what happened
since the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import islice

from windlass.errors import ShuttingDown
from windlass.host.service import Bell, Service
from windlass.store.facts import EventFacts, Watched
from windlass.store.port import Library

POLL_SECONDS = 0.05
EVENTS_AT_ONCE = 200
PORTION = 256 * 1024
"""Bytes of text, data and output."""
ASKING_AT_ONCE = 50


class Follower:
    __slots__ = ("after", "found", "task")

    def __init__(self, task: int, after: int) -> None:
        self.task = task
        self.after = after
        self.found: asyncio.Future[list[EventFacts]] | None = None


class Watches(Service):
    def __init__(self, library: Library) -> None:
        self._library = library
        self._asking: dict[Follower, None] = {}
        self._current: dict[int, dict[Follower, None]] = {}
        """Those that are up to date, by task."""
        self._looked_at: set[int] = set()
        self._nudged: set[int] = set()
        """Tasks that had news while they were looked at."""
        self._poll_due = 0.0
        self._bell = Bell()
        self._is_closed = False

    @property
    def hungry(self) -> int:
        """How many followers wait for events."""
        return len(self._asking) + sum(map(len, self._current.values()))

    def nudge(self, tasks: Iterable[int]) -> None:
        """These tasks have news, written by this node: don't wait for the next poll."""
        if self._asking or self._current:
            for task in tasks:
                if task in self._looked_at:
                    self._nudged.add(task)
                if followers := self._current.pop(task, None):
                    self._asking |= followers
                    self._bell.ring()

    async def follow(self, task: int, after: int) -> AsyncGenerator[EventFacts, None]:
        """The task's events after a sequence, until its final one.  Ends when the caller stops.

        Raises `ShuttingDown` after `close`.
        """
        follower = Follower(task, after)
        try:
            while True:
                for event in await self._next(follower):
                    yield event
                    follower.after = event.sequence
                    if event.final:
                        return
        finally:
            self._forget(follower)

    def close(self) -> None:
        """End every follower that has all there is for it now."""
        self._is_closed = True
        for follower in [f for followers in self._current.values() for f in followers]:
            self._dismiss(follower)

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._current and loop.time() >= self._poll_due:
                began = loop.time()
                await self._look([f for followers in self._current.values() for f in followers])
                # However long it took, those who ask get their turn.
                self._poll_due = max(began + POLL_SECONDS, loop.time() + POLL_SECONDS / 4)
            elif self._asking:
                await self._look(list(islice(self._asking, ASKING_AT_ONCE)))
            else:
                await self._bell.wait(max(0.0, self._poll_due - loop.time()) if self._current else None)

    async def _next(self, follower: Follower) -> list[EventFacts]:
        follower.found = asyncio.get_running_loop().create_future()
        self._asking[follower] = None
        self._bell.ring()
        return await follower.found

    async def _look(self, followers: Sequence[Follower]) -> None:
        # Followers of one task at different places ask from the lowest; each takes what is new to it.
        places: dict[int, int] = {}
        for follower in followers:
            places[follower.task] = min(places.get(follower.task, follower.after), follower.after)
        self._looked_at, self._nudged = set(places), set()
        watched = [Watched(task, after) for task, after in places.items()]
        found = await self._library.events(watched, EVENTS_AT_ONCE, PORTION)
        for follower in followers:
            self._feed(follower, found.get(follower.task, ()))
        self._looked_at = set()

    def _feed(self, follower: Follower, events: Sequence[EventFacts]) -> None:
        if follower.found is None or follower.found.done():
            return
        if news := [event for event in events if event.sequence > follower.after]:
            self._forget(follower)
            follower.found.set_result(news)
        elif events or follower.task in self._nudged:
            # One at an earlier place had all of the portion, or there is more by now.
            self._forget(follower)
            self._asking[follower] = None
        elif self._is_closed:
            self._dismiss(follower)
        elif follower in self._asking:
            del self._asking[follower]
            self._current.setdefault(follower.task, {})[follower] = None

    def _dismiss(self, follower: Follower) -> None:
        self._forget(follower)
        if follower.found is not None and not follower.found.done():
            follower.found.set_exception(
                ShuttingDown("this server shuts down: go on with another, after the last event")
            )

    def _forget(self, follower: Follower) -> None:
        self._asking.pop(follower, None)
        followers = self._current.get(follower.task, {})
        followers.pop(follower, None)
        if not followers:
            self._current.pop(follower.task, None)
