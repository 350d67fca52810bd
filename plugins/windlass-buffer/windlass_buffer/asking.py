"""The node's own line to each site's Redis, for operations and for the overview: one thread, one answer, short waits.

Asked from the event loop, it answers from a thread: redis-py's blocking client is never cancelled halfway through a
command, so a connection never gets out of step.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from windlass import Rejected
from windlass_buffer_client.keys import Keys

from windlass_buffer.settings import BufferSettings, Site

T = TypeVar("T")
Redis = Any
"""A redis.Redis that answers bytes; its own types leave that open."""
Work = Callable[[Redis, Keys], T]

LOOK_SECONDS = 0.3
"""For the overview, which has half a second for everything."""
CALL_SECONDS = 10.0
"""For an operation: a script that moves thousands of letters takes its time."""


class RedisAway(Exception):
    """`seconds`: for how long, as this node has seen it."""

    def __init__(self, why: str, seconds: float) -> None:
        super().__init__(why)
        self.why = why
        self.seconds = seconds


class Line:
    """To one site's Redis."""

    def __init__(self, site: Site, settings: BufferSettings) -> None:
        self.site = site
        self.settings = settings
        self.keys = Keys(site.name)
        self._clients: dict[float, redis.Redis] = {}
        self._away_since: float | None = None
        self._threads = ThreadPoolExecutor(2, f"windlass-buffer-{site.name}")

    async def look(self, work: Work[T]) -> T:
        """What the work finds.  Raises `RedisAway` within a moment."""
        return await self._ask(work, LOOK_SECONDS)

    async def call(self, work: Work[T]) -> T:
        """The same for what people asked for; raises `Rejected` with words for them."""
        try:
            return await self._ask(work, CALL_SECONDS)
        except RedisAway as away:
            since = f"for {away.seconds:.0f} s now" if away.seconds >= 1.0 else "now"
            raise Rejected(
                f"site {self.site.name}: its Redis does not answer, {since}: {away.why}. Nothing is lost by waiting; "
                "see that Redis runs, and that this server reaches it"
            ) from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)
        for client in self._clients.values():
            client.close()

    async def _ask(self, work: Work[T], seconds: float) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._work, work, seconds)

    def _work(self, work: Work[T], seconds: float) -> T:
        try:
            found = work(self._client(seconds), self.keys)
        except (redis.RedisError, OSError, Rejected) as error:
            if isinstance(error, redis.ResponseError):  # it answers, and does not like what it was asked
                raise
            if self._away_since is None:
                self._away_since = time.monotonic()
            raise RedisAway(str(error) or type(error).__name__, time.monotonic() - self._away_since) from None
        self._away_since = None
        return found

    def _client(self, seconds: float) -> redis.Redis:
        if seconds not in self._clients:
            url = self.site.open_redis(self.settings.secrets_directory)
            self._clients[seconds] = redis.Redis.from_url(
                url, socket_timeout=seconds, socket_connect_timeout=min(seconds, 2.0), retry=Retry(NoBackoff(), 0)
            )
        return self._clients[seconds]


class Lines:
    """To the Redis of every configured site."""

    def __init__(self, settings: BufferSettings) -> None:
        self._lines: Mapping[str, Line] = {site.name: Line(site, settings) for site in settings.site}

    def all(self) -> list[Line]:
        return list(self._lines.values())

    def of(self, site: str) -> list[Line]:
        """The one of that name, or all when it is empty.  Raises `Rejected`."""
        if not site:
            return self.all()
        if site not in self._lines:
            known = ", ".join(self._lines) or "none; add a [[plugins.buffer.site]] to windlass.toml"
            raise Rejected(f"site: there is no site {site!r}; there is {known}")
        return [self._lines[site]]

    def close(self) -> None:
        for line in self.all():
            line.close()
