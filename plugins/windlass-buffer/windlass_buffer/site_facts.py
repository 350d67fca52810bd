"""What Redis knows of a site, read in one round trip, as numbers."""

from __future__ import annotations

from typing import Any

import msgspec
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.reports import Pending

from windlass_buffer.asking import Redis
from windlass_buffer.failovers import failovers_key
from windlass_buffer.taking import SILENT_SECONDS

SAMPLE = 500
"""Of the pending checks: the oldest of so many tells the lag well enough, when there are thousands."""


class SiteFacts(msgspec.Struct, frozen=True):
    """Times are seconds since 1970 by the clock of Redis; None: never, or nothing is there."""

    site: str
    now: float = 0.0
    queued: int = 0
    """Entries that wait in the queue, and those that a drainer has taken."""
    limit: int = 0
    failed: int = 0
    """Dead letters."""
    pending: int = 0
    """Commits that the replicas have not confirmed yet."""
    pending_since: float | None = None
    gaps: int = 0
    """Reports of what Redis lost, and of what a failover may have lost."""
    lost: int = 0
    """Transactions that they are about, all together."""
    oldest: float | None = None
    processed: int = 0
    last_run: float | None = None
    """When a drainer last told that it lives: idle ones do too."""
    drainer: str = ""
    """The one that lives; "" when none does."""
    database: str = ""
    """Why the main database does nothing; "" when it works."""
    rate: float | None = None
    """Transactions a second, lately."""
    redis: str = ""
    """Why there are no facts; "" when there are."""
    away: float = 0.0
    """For how many seconds Redis has not answered."""

    @property
    def status(self) -> str:
        if self.redis:
            return "redis away"
        if not self.drainer:
            return "stopped"
        if self.database:
            return "database away"
        return "draining" if self.queued else "idle"

    @property
    def age(self) -> float | None:
        """Of the oldest entry that is not applied, in seconds."""
        return None if self.oldest is None else max(0.0, self.now - self.oldest)

    @property
    def lag(self) -> float | None:
        """For how many seconds the oldest commit has waited for its replicas."""
        return None if self.pending_since is None else max(0.0, self.now - self.pending_since)


def read(redis_: Redis, keys: Keys, limit: int) -> SiteFacts:
    """All of it, in two round trips."""
    first = redis_.pipeline(transaction=False)
    first.time()
    first.llen(keys.queue)
    first.lindex(keys.queue, -1)
    first.llen(keys.dead)
    first.hlen(keys.pending)
    first.hscan(keys.pending, count=SAMPLE)
    first.lrange(keys.gaps, 0, -1)
    first.lrange(failovers_key(keys.site), 0, -1)
    first.hgetall(keys.meta)
    first.zrange(keys.drainers, 0, -1, withscores=True)
    (seconds, micros), queued, oldest, failed, pending, (_, some), gaps, failovers, meta, drainers = first.execute()
    now = seconds + micros / 1_000_000
    beats = {name.decode(): beat / 1000 for name, beat in drainers}
    taken, first_taken = _taken(redis_, keys, list(beats))
    living = max((name for name in beats if now - beats[name] < SILENT_SECONDS), key=beats.__getitem__, default="")
    said = {name.decode(): value.decode(errors="replace") for name, value in meta.items()}
    lost = [msgspec.json.decode(each, type=_Count).count for each in (*gaps, *failovers)]
    return SiteFacts(
        site=keys.site,
        now=now,
        queued=queued + taken,
        limit=limit,
        failed=failed,
        pending=pending,
        pending_since=min((msgspec.json.decode(each, type=Pending).since for each in some.values()), default=None),
        gaps=len(lost),
        lost=sum(lost),
        oldest=min(_created([oldest, *first_taken]), default=None),
        processed=int(said.get("processed", 0)),
        last_run=max([*beats.values(), *([float(said["last_run"])] if "last_run" in said else [])], default=None),
        drainer=living,
        database=said.get("database", ""),
    )


def _taken(redis_: Redis, keys: Keys, drainers: list[str]) -> tuple[int, list[bytes | None]]:
    """How many entries drainers have in hand, and the oldest of each."""
    asking = redis_.pipeline(transaction=False)
    for drainer in drainers:
        asking.llen(keys.taken(drainer))
        asking.lindex(keys.taken(drainer), -1)
    answers: list[Any] = asking.execute() if drainers else []
    return sum(answers[::2]), answers[1::2]


class _Count(msgspec.Struct):
    """Of a gap or of a failover, only that."""

    count: int


class _Created(msgspec.Struct):
    """Of an entry, only that: it may be large."""

    created: float = 0.0


def _created(entries: list[bytes | None]) -> list[float]:
    found = []
    for entry in entries:
        try:
            created = msgspec.json.decode(entry, type=_Created).created if entry else 0.0
        except (msgspec.DecodeError, UnicodeDecodeError):  # garbage is told by its drainer
            continue
        if created:
            found.append(created)
    return found
