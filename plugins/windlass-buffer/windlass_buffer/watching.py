"""Watches over a site's Redis: whether it keeps what it is given, and whether it has lost something.

A look each half second is one small command.  Only when something is wrong the main database is asked how far it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from threading import Event

import psycopg
import redis
from windlass_buffer_client.ledger import Ledger
from windlass_buffer_client.reports import Gap, Totals

from windlass_buffer.database import CONNECT_SECONDS, POSITION, Position
from windlass_buffer.gaps import Change, change, differences, remaining
from windlass_buffer.redis_safety import dangers

LOOK_EVERY = 0.5  # s
SETTLES_FOR = 30.0  # s after a loss: what a drainer had in hand may still reach the main database
SETTLE_EVERY = 2.0  # s


class Watch:
    """One site's.  `say(text, **data)` makes a step of the task's card.

    `position` asks the main database how far it is, and is None while that is away.
    """

    def __init__(
        self,
        site: str,
        connection: redis.Redis,
        position: Callable[[], Position | None],
        say: Callable[..., None],
        *,
        check_safety: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._site = site
        self._redis = connection
        self._ledger = Ledger(connection, site)
        self._position = position
        self._say = say
        self._clock = clock
        self._known = Totals()
        self._gaps: Sequence[Gap] | None = None
        self._warned: set[str] = set()
        self._unsafe = check_safety
        self._check_safety = check_safety
        self._settle_at = self._settled_by = 0.0

    def run(self, stop: Event) -> None:
        """Until `stop`.  That Redis is away is for the drainer to say; here it is looked at when it is back."""
        while True:
            try:
                self.look()
            except redis.RedisError:
                self._unsafe = self._check_safety
            if stop.wait(LOOK_EVERY):
                return

    def look(self) -> None:
        """Raises RedisError."""
        if self._unsafe:
            self._warn()
        now = self._ledger.totals()
        found = change(self._known, now)
        if self._gaps is None:
            self._gaps = self._ledger.gaps()
        if found:
            self._gaps = remaining(self._gaps, self._ledger.gaps())
            now = self._lost()
        elif self._settled_by and self._clock() >= self._settle_at:
            now = self._settle_again()
        self._tell(found)
        self._known = now

    def _lost(self) -> Totals:
        """What is known here goes into the account, after what the main database has."""
        position = self._position()
        reached = position or Position(self._known.epoch, self._known.drained)
        self._ledger.settle(*reached)
        self._settled_by = self._clock() + SETTLES_FOR
        self._settle_at = self._clock() + SETTLE_EVERY
        return self._ledger.notice(self._known.epoch, self._known.submitted)

    def _settle_again(self) -> Totals:
        position = self._position()
        self._settle_at = self._clock() + SETTLE_EVERY
        if position is None:
            # Until it can be asked, what is reported lost is the most it can be.
            self._settled_by = self._clock() + SETTLES_FOR
        elif self._clock() >= self._settled_by:
            self._settled_by = 0.0
        return self._ledger.settle(*position) if position else self._ledger.totals()

    def _tell(self, found: Change | None) -> None:
        before, self._gaps = self._gaps or (), self._ledger.gaps()
        changed = differences(before, self._gaps)
        for gap, by in changed:
            self._say(_in_words(gap, by), epoch=gap.epoch, first=gap.first, last=gap.last, count=gap.count)
        if found and found.what and not any(by > 0 for _, by in changed):
            self._say(f"{found.what}; no acknowledged transaction is lost: the main database has them all")
        if found and found.dead:
            self._say(f"warning: {found.dead:,} dead letters are gone from Redis")

    def _warn(self) -> None:
        """Each danger is said once, and again when it comes back."""
        found = dangers(self._redis)
        for danger in found:
            if danger not in self._warned:
                self._say(f"warning: Redis may lose what is buffered: {danger}")
        self._warned = set(found)
        self._unsafe = False


def read_position(dsn: str, site: str) -> Position | None:
    """How far the main database is; None when it is away."""
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=CONNECT_SECONDS) as connection:
            row = connection.execute(POSITION, (site,)).fetchone()
    except psycopg.errors.UndefinedTable:
        row = None
    except psycopg.Error:
        return None
    return Position(*row) if row else Position("", 0)


def _in_words(gap: Gap, by: int) -> str:
    if by < 0:
        return f"{-by:,} transactions that were reported as lost with Redis are in the main database"
    numbers = f"numbers {gap.first} to {gap.last} of epoch {gap.epoch}"
    return f"Redis lost {by:,} acknowledged transactions ({numbers}). See them with `windlass buffer gaps`"
