"""Followers of tasks: all of them on this node share one query.

A follower asks for the next events and gets them when there are any; while it is busy with the last ones it costs
nothing and nothing is gathered for it, so a slow reader holds no memory here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable

from windlass.host.service import Bell, Service
from windlass.store.facts import EventFacts, Watched
from windlass.store.port import Library

POLL_SECONDS = 0.08
EVENTS_AT_ONCE = 200
TASKS_AT_ONCE = 500


class Follower:
    __slots__ = ("after", "found", "task")

    def __init__(self, task: int, after: int) -> None:
        self.task = task
        self.after = after
        self.found: asyncio.Future[list[EventFacts]] | None = None


class Watches(Service):
    def __init__(self, library: Library) -> None:
        self._library = library
        self._hungry: dict[Follower, None] = {}
        self._bell = Bell()

    def nudge(self, tasks: Iterable[int]) -> None:
        """These tasks have news, written by this node: don't wait for the next poll."""
        if self._hungry and not {follower.task for follower in self._hungry}.isdisjoint(tasks):
            self._bell.ring()

    async def follow(self, task: int, after: int) -> AsyncIterator[EventFacts]:
        """The task's events after a sequence, until its final one.  Ends when the caller stops."""
        follower = Follower(task, after)
        try:
            while True:
                for event in await self._next(follower):
                    yield event
                    follower.after = event.sequence
                    if event.final:
                        return
        finally:
            self._hungry.pop(follower, None)

    async def run(self) -> None:
        while True:
            if not self._hungry:
                await self._bell.wait(None)
            started = asyncio.get_running_loop().time()
            await self._look(list(self._hungry))
            if self._hungry:
                await self._bell.wait(max(0.0, started + POLL_SECONDS - asyncio.get_running_loop().time()))

    async def _next(self, follower: Follower) -> list[EventFacts]:
        follower.found = asyncio.get_running_loop().create_future()
        self._hungry[follower] = None
        self._bell.ring()
        return await follower.found

    async def _look(self, followers: list[Follower]) -> None:
        for start in range(0, len(followers), TASKS_AT_ONCE):
            batch = followers[start : start + TASKS_AT_ONCE]
            # Followers of one task at different places ask from the lowest; each takes what is new to it.
            places: dict[int, int] = {}
            for follower in batch:
                places[follower.task] = min(places.get(follower.task, follower.after), follower.after)
            found = await self._library.events([Watched(t, a) for t, a in places.items()], EVENTS_AT_ONCE)
            for follower in batch:
                self._feed(follower, found.get(follower.task, []))

    def _feed(self, follower: Follower, events: list[EventFacts]) -> None:
        news = [event for event in events if event.sequence > follower.after]
        if news and follower in self._hungry and follower.found is not None and not follower.found.done():
            del self._hungry[follower]
            follower.found.set_result(news)
