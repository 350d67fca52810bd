"""The kind WatchFeeds, a resident: notices files that have changed, and has their pages refreshed.

A notification only says that it is worth a look; on some file systems none ever comes.  So it looks by itself too, when
it starts and every `rescan` seconds, and then compares each file with what was accepted: what a failed refresh has left
undone is found again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from windlass import Context, Outcome, Success

from windlass_entities.handlers.kinds import EntityHandler
from windlass_entities.handlers.rebuild import RebuildEntities
from windlass_entities.handlers.refresh import RefreshEntities
from windlass_entities.payloads import Feeds, Nothing
from windlass_entities.records import seen
from windlass_entities.settings import EntitiesSettings

if TYPE_CHECKING:
    from windlass_entities.rounds import Found

TRIGGER = "feed_update"
AT_ONCE = 1_000
"""Feeds of one request."""
DEBOUNCE_MS = 100


class WatchFeeds(EntityHandler[Nothing]):
    kind = "WatchFeeds"
    executor = "inline"

    def __init__(self, settings: EntitiesSettings) -> None:
        super().__init__(settings)
        self.pool = settings.watchers_pool

    def coalesce_key(self, payload: Nothing) -> str | None:
        return None

    def title(self, payload: Nothing) -> str:
        return f"watch {self.settings.feeds}"

    async def run(self, ctx: Context, payload: Nothing) -> Outcome:
        self.check_configured()
        bell = asyncio.Event()
        listening = asyncio.create_task(self._listen(ctx, bell))
        try:
            await self._watch(ctx, bell)
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
        return Success()

    async def _watch(self, ctx: Context, bell: asyncio.Event) -> None:
        from windlass_entities.rounds import Found, Rounds

        rounds, loop = Rounds(self.settings), asyncio.get_running_loop()
        rescan, found = loop.time(), Found()
        await ctx.stage("watching")
        while not ctx.cancelled.is_set():
            bell.clear()
            if loop.time() >= rescan:
                rounds.doubt()
                rescan = loop.time() + self.settings.rescan
            marks = {} if found.wait is None else await seen(ctx.documents)
            found = await asyncio.to_thread(rounds.look, loop.time(), marks)
            await self._ask(ctx, found)
            within = min(rescan - loop.time(), found.wait if found.wait is not None else self.settings.rescan)
            await _rung(bell, ctx.cancelled, within)

    async def _ask(self, ctx: Context, found: Found) -> None:
        for problem in found.problems:
            await ctx.step(problem)
        if found.rebuild:
            task = await ctx.enqueue(RebuildEntities.kind, Nothing(), trigger=TRIGGER)
            await ctx.step(f"{found.rebuild}: task {task} builds all pages", task=task)
        for feeds in _parts(found.feeds):
            task = await ctx.enqueue(RefreshEntities.kind, Feeds(feeds), trigger=TRIGGER)
            await ctx.step(f"{', '.join(feeds[:10])}{' …' * (len(feeds) > 10)} changed: task {task}", task=task)

    async def _listen(self, ctx: Context, bell: asyncio.Event) -> None:
        """Rings when something changes in the folders.  Where nobody can tell, it says so once."""
        import watchfiles

        places = {Path(path).parent for path in (self.settings.catalogue, self.settings.countries, self.settings.asns)}
        folders = sorted(path for path in {Path(self.settings.feeds), *places} if path.is_dir())
        try:
            async for _ in watchfiles.awatch(*folders, recursive=False, debounce=DEBOUNCE_MS, watch_filter=None):
                bell.set()
        except (OSError, RuntimeError) as error:
            instead = f"it is looked at every {self.settings.rescan:g} s"
            await ctx.step(f"no notifications of {self.settings.feeds}, {instead}: {error}")


def _parts(feeds: Sequence[str]) -> list[list[str]]:
    return [list(feeds[start : start + AT_ONCE]) for start in range(0, len(feeds), AT_ONCE)]


async def _rung(bell: asyncio.Event, cancelled: asyncio.Event, within: float) -> None:
    """Until one of them is set, at most so many seconds."""
    waits = [asyncio.ensure_future(each.wait()) for each in (bell, cancelled)]
    try:
        with suppress(TimeoutError):
            await asyncio.wait(waits, timeout=max(0.0, within), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
