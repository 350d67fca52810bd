"""Looks at all sites at once, for the overview, for probes and for `windlass buffer status`."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import msgspec
from redis.exceptions import ResponseError
from windlass_buffer_client.keys import Keys

from windlass_buffer.asking import Line, Redis, RedisAway
from windlass_buffer.rates import LEAST, Rate
from windlass_buffer.site_facts import SiteFacts, read


class Watch:
    def __init__(self) -> None:
        self._rates: dict[str, Rate] = defaultdict(Rate)

    async def look(self, lines: Sequence[Line]) -> list[SiteFacts]:
        """The facts of each; one whose Redis is away says so within a moment."""
        return list(await asyncio.gather(*map(self._of, lines)))

    async def look_well(self, lines: Sequence[Line]) -> list[SiteFacts]:
        """The same, with a rate although nobody looked before: that takes a moment longer."""
        found = await self.look(lines)
        if all(facts.rate is not None or facts.redis for facts in found):
            return found
        await asyncio.sleep(LEAST * 1.2)
        return await self.look(lines)

    async def _of(self, line: Line) -> SiteFacts:
        limit = line.settings.buffer_size

        def work(redis_: Redis, keys: Keys) -> SiteFacts:
            return read(redis_, keys, limit)

        try:
            facts = await line.look(work)
        except RedisAway as away:
            return SiteFacts(line.site.name, limit=limit, redis=away.why, away=away.seconds)
        except ResponseError as error:  # busy with a script, or not permitted: the other sites are shown all the same
            return SiteFacts(line.site.name, limit=limit, redis=f"it refuses: {error}")
        rate = self._rates[facts.site].see(facts.now, facts.processed)
        return msgspec.structs.replace(facts, rate=rate)
