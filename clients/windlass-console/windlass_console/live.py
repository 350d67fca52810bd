"""One watch of the server for all browsers, and the hints that tell them what to load again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from windlass_client import Client, Operation, Picture, WindlassError

INTERVAL = 0.5
AGAIN_SECONDS = 1.0
OPERATIONS_SECONDS = 60.0


class Live:
    """`picture` is the latest, None before the first; `reachable` whether the server answers, else `trouble` in words.

    A hint is a set of topics: `overview` (the picture changed), `queue` (the first page of the queue changed),
    `history` (a card began, ended or waits again), `link` (the server went or came back).

    `operations` are those that the server's plugins have registered, at most a minute old.
    """

    def __init__(self, client: Client) -> None:
        self.picture: Picture | None = None
        self.reachable = False
        self.trouble = "the console has not reached the server yet"
        self.version = 0
        self.operations: Sequence[Operation] = ()
        self._client = client
        self._listeners: set[asyncio.Queue[set[str]]] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        watches = (self._watch_overview(), self._watch_queue(), self._look_at_operations())
        self._tasks = [asyncio.create_task(each) for each in watches]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def listeners(self) -> int:
        return len(self._listeners)

    async def hints(self) -> AsyncGenerator[set[str], None]:
        """What changed, from now on; many changes are told as one when the reader is slow."""
        mine: asyncio.Queue[set[str]] = asyncio.Queue()
        self._listeners.add(mine)
        try:
            while True:
                topics = await mine.get()
                while not mine.empty():
                    topics |= mine.get_nowait()
                yield topics
        finally:
            self._listeners.discard(mine)

    def tell(self, *topics: str) -> None:
        self.version += 1
        for listener in self._listeners:
            listener.put_nowait(set(topics))

    def link_words(self) -> str:
        """For the browser: whether the server answers, and what is wrong when it does not."""
        return json.dumps({"reachable": self.reachable, "trouble": self.trouble})

    async def _watch_overview(self) -> None:
        while True:
            try:
                async with aclosing(self._client.overview.watch(INTERVAL, on_outage=self._lost)) as pictures:
                    async for picture in pictures:
                        self._show(picture)
            except WindlassError as error:
                self._lost(error)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _watch_queue(self) -> None:
        while True:
            try:
                async with aclosing(self._client.watch_queue(page_size=100)) as changes:
                    async for _ in changes:
                        self.tell("queue")
            except WindlassError:
                await asyncio.sleep(AGAIN_SECONDS)

    async def _look_at_operations(self) -> None:
        while True:
            try:
                self.operations = await self._client.operations.list()
                await asyncio.sleep(OPERATIONS_SECONDS)
            except WindlassError:
                await asyncio.sleep(AGAIN_SECONDS)

    def _show(self, picture: Picture) -> None:
        before, self.picture = self.picture, picture
        topics = {"overview", "queue"}
        if before is None or before.counts != picture.counts:
            topics.add("history")
        if not self.reachable:
            self.reachable, self.trouble = True, ""
            topics.add("link")
        self.tell(*topics)

    def _lost(self, error: WindlassError) -> None:
        if self.reachable or self.trouble != str(error):
            self.reachable, self.trouble = False, str(error)
            self.tell("link", "overview")
