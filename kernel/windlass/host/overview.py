"""The overview: one read for all who look on this node, as often as the most eager wants it; none while nobody does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime
from hashlib import blake2b

import msgspec

from windlass.core.interrupts import Graces
from windlass.core.signals import Thresholds
from windlass.core.vitals import Samples
from windlass.host.picture import Facts, Picture, draw, within
from windlass.host.plugins import Kind
from windlass.host.sections import Sections
from windlass.store.statistics import Statistics
from windlass.store.survey import Survey

FRESH_SECONDS = 0.9
"""A little less than a second: whoever looks once a second is to find it stale."""
SHORTEST_INTERVAL = 0.5
"""What is shown to people is then there within a second; half of it would cost twice the reads for nobody's eyes."""
USUAL_INTERVAL = 1.0
AT_LEAST_EVERY = 15.0
"""A picture goes out although nothing has changed, so that whoever watches knows that we are here."""
EVERYTHING: frozenset[str] = frozenset()
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class Look:
    """One read, and the pictures drawn from it: one for each set of pools that somebody may see."""

    def __init__(self, facts: Facts, overview: Overview, began: float, took: float) -> None:
        self._facts = facts
        self._overview = overview
        self._began = began
        self._took = took
        self._pictures: dict[frozenset[str], Picture] = {}
        self._marks: dict[frozenset[str], bytes] = {}

    def is_good(self, now: float, fresh: float) -> bool:
        """Whether it is younger than `fresh` seconds, or than twice what it took: at most half of the time is read."""
        return now < self._began + max(fresh, 2 * self._took)

    def picture(self, pools: frozenset[str]) -> Picture:
        if pools not in self._pictures:
            self._pictures[pools] = self._overview.draw(within(self._facts, pools) if pools else self._facts)
        return self._pictures[pools]

    def mark(self, pools: frozenset[str]) -> bytes:
        """The same for two pictures of the same; kept in place of the picture by whoever was sent it."""
        if pools not in self._marks:
            timeless = msgspec.structs.replace(self.picture(pools), time=NO_TIME)
            self._marks[pools] = blake2b(msgspec.msgpack.encode(timeless), digest_size=16).digest()
        return self._marks[pools]


class Overview:
    """`pools`, where it is asked for: those that the caller may see; empty for all."""

    def __init__(self, survey: Survey, statistics: Statistics, sections: Sections, kinds: Mapping[str, Kind]) -> None:
        self._survey = survey
        self._statistics = statistics
        self._sections = sections
        self._patience = {name: _seconds(kind.handler.graces) for name, kind in kinds.items()}
        self._samples = Samples()
        self._look: Look | None = None
        self._looking: asyncio.Task[Look] | None = None
        self.thresholds = Thresholds()
        self.watchers = 0
        """How many watch now."""

    async def picture(self, pools: frozenset[str] = EVERYTHING) -> Picture:
        """As it is now, at most a second old; raises `StoreUnavailable`."""
        return (await self._latest()).picture(pools)

    async def watch(self, interval: float, pools: frozenset[str] = EVERYTHING) -> AsyncGenerator[Picture, None]:
        """The picture, and again when it has changed; at most one each `interval` seconds (0.5 to 15).

        While the caller is busy with one, nothing is gathered for it: it gets the newest afterwards.
        """
        now = asyncio.get_running_loop().time
        interval = min(max(interval, SHORTEST_INTERVAL), AT_LEAST_EVERY)
        mark, sent_at = b"", now()
        self.watchers += 1
        try:
            while True:
                looked_at = now()
                look = await self._latest(FRESH_SECONDS * min(interval, 1.0))
                # A look that comes a little early must not put the next sign of life off by an interval.
                due = looked_at - sent_at + interval / 2 >= AT_LEAST_EVERY
                if due or look.mark(pools) != mark:
                    mark, sent_at = look.mark(pools), looked_at
                    picture = look.picture(pools)
                    del look
                    yield picture
                await asyncio.sleep(looked_at + interval - now())
        finally:
            self.watchers -= 1

    def draw(self, facts: Facts) -> Picture:
        return draw(facts, self._samples, self._patience_of, self.thresholds)

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait((self._looking,))

    async def _latest(self, fresh: float = FRESH_SECONDS) -> Look:
        if self._look is not None and self._look.is_good(asyncio.get_running_loop().time(), fresh):
            return self._look
        if self._looking is None:
            self._looking = asyncio.create_task(self._read(), name="overview")
            self._looking.add_done_callback(self._looked)
        # Whoever gives up leaves the others their read.
        return await asyncio.shield(self._looking)

    def _looked(self, looking: asyncio.Task[Look]) -> None:
        self._looking = None
        if not looking.cancelled():
            # It may be that nobody waits for it any more.
            looking.exception()

    async def _read(self) -> Look:
        now = asyncio.get_running_loop().time
        began = now()
        telling = asyncio.create_task(self._sections.recent())
        try:
            facts = await self._facts()
        except BaseException:
            telling.cancel()
            raise
        facts = msgspec.structs.replace(facts, sections=await telling)
        self._samples.add(facts.vitals(self._patience_of))
        self._look = Look(facts, self, began, now() - began)
        return self._look

    async def _facts(self) -> Facts:
        survey, limits = self._survey, self.thresholds
        depths = await survey.depths()
        return Facts(
            now=depths.time,
            pools=depths.pools,
            nodes=await survey.nodes(limits.lost),
            executing=tuple(await survey.executing(limits.silent)),
            coalescing=tuple(await survey.coalescing()),
            lanes=tuple(await survey.busy_lanes()),
            waiting=tuple(await survey.waiting_kinds()),
            ends=tuple(await survey.ends(limits.window)),
            counts=tuple(await self._statistics.counts()),
        )

    def _patience_of(self, kind: str) -> float:
        return self._patience.get(kind, _seconds(Graces()))


def _seconds(graces: Graces) -> float:
    return float(sum(msgspec.structs.astuple(graces)))
