"""Follows what was applied until the replicas show it: then readers need the cache no longer.

    tracker = Tracker(settings, site, connection, ctx.step)
    thread = Thread(target=tracker.run, args=(stop,))     # beside the drainer, which tells what it committed:
    tracker.follow(ids_and_positions)

What is followed is kept in Redis, by the ledger, so a restart goes on where it was.  While a replica lags, the cache is
kept alive; its time is only ever extended, and nothing is dropped because it took long.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from threading import Event

import redis
from windlass_buffer_client import lsn
from windlass_buffer_client.ledger import CACHE_TTL, Applied, Ledger
from windlass_buffer_client.reports import Pending

from windlass_buffer import failovers, spans
from windlass_buffer.lookout import Lookout
from windlass_buffer.remarks import Remarks
from windlass_buffer.replica import Replica
from windlass_buffer.replication import Check, Sight, astray, newest, rule
from windlass_buffer.settings import BufferSettings, Site

READ_AGAIN_AFTER = 5.0  # s between looks at what Redis has: another drainer may have left something to follow
EXTEND_TO = 2 * CACHE_TTL  # s from now
EXTEND_EVERY = CACHE_TTL / 4  # s; a record expires CACHE_TTL after it was applied
SLOWER = 10  # times the interval, while all that is left has taken longer than the timeout
PORTION = 500  # ids of one command: a script holds up everybody else at the server


class Tracker:
    """One site's.  `say(text, **data)` makes a step of the task's card; it is called from the tracker's thread."""

    def __init__(
        self,
        settings: BufferSettings,
        site: Site,
        connection: redis.Redis,
        say: Callable[..., None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._site = site
        self._redis = connection
        self._ledger = Ledger(connection, site.name)
        self._clock = clock
        self._remarks = Remarks(site.name, say)
        self._handed: deque[Check] = deque()
        self._checks: dict[str, Check] = {}
        self._ruled_on: Sequence[Sight | None] | None = None
        self._read_at = self._extend_at = 0.0

    @property
    def following(self) -> int:
        """How many transactions are not known to be shown by enough replicas."""
        return len(self._checks) + len(self._handed)

    def follow(self, applied: Iterable[Applied]) -> None:
        """Just committed, and noted in the ledger.  From any thread."""
        now = self._clock()
        self._handed.extend(_handed(each, now) for each in applied)

    def run(self, stop: Event) -> None:
        """Until `stop`.  A Redis that is away is waited for; nothing is lost by that."""
        if not self._settings.lsn_tracking:
            return
        replicas = [
            Replica(each.name, partial(each.open_dsn, self._settings.secrets_directory)) for each in self._site.replica
        ]
        lookout = Lookout(replicas, self._remarks.say)
        try:
            while not stop.wait(self._pause()):
                try:
                    self._round(lookout)
                    self._remarks.redis_answers()
                except redis.RedisError as error:
                    self._remarks.redis_away(error)
        finally:
            lookout.close()

    def _pause(self) -> float:
        """Seconds until the next look."""
        interval = self._settings.lsn_interval
        # They are kept in the order they came, so the last is the newest.
        last = next(reversed(self._checks.values()), None)
        is_late = last is not None and not self._handed and last.since < self._late_before()
        return interval * SLOWER if is_late or self._remarks.redis_is_away else interval

    def _round(self, lookout: Lookout) -> None:
        self._take_in()
        if not self._checks:
            return
        checks = list(self._checks.values())
        last = newest(checks)
        sights = [sight if sight and self._remarks.is_ours(sight, last.system) else None for sight in lookout.look()]
        self._remarks.timelines(sights, last)
        if sights != self._ruled_on:
            self._settle(checks, sights, lookout)
            self._ruled_on = sights
        names = [replica.name for replica in self._site.replica]
        self._remarks.late(self._checks.values(), sights, names, self._late_before())
        if self._clock() >= self._extend_at:
            for ids in _portions(list(self._checks)):
                self._ledger.extend(ids, EXTEND_TO)
            self._extend_at = self._clock() + EXTEND_EVERY

    def _take_in(self) -> None:
        before = len(self._checks)
        while self._handed:
            check = self._handed.popleft()
            self._checks[check.id] = check
        if self._clock() >= self._read_at:
            for id, pending in self._ledger.pending().items():
                self._checks.setdefault(id, _persisted(id, pending))
            self._read_at = self._clock() + READ_AGAIN_AFTER
        if len(self._checks) != before:
            self._ruled_on = None

    def _settle(self, checks: Sequence[Check], sights: list[Sight | None], lookout: Lookout) -> None:
        found: dict[str, frozenset[str]] = {}
        for place, sight in enumerate(sights):
            stray = astray(checks, sight) if sight else []
            if sight and stray:
                there = lookout.find(place, self._site.name, [check.id for check in stray])
                found[sight.replica] = there or frozenset()
                if there is None:  # nothing is called lost by one that can't be asked
                    sights[place] = None
        quorum = self._site.quorum or len(self._site.replica)
        ruling = rule(checks, sights, quorum, found)
        for ids in _portions([check.id for check in ruling.replicated]):
            self._ledger.replicated(ids)
            self._forget(ids)
        spans.replicated(ruling.replicated, self._site.name)
        if ruling.lost:
            failovers.record(self._redis, self._site.name, ruling.lost, self._clock())
            self._remarks.lost(ruling.lost)
            self._forget([check.id for check in ruling.lost])

    def _forget(self, ids: Iterable[str]) -> None:
        for id in ids:
            del self._checks[id]

    def _late_before(self) -> float:
        return self._clock() - self._settings.lsn_timeout


def _handed(each: Applied, now: float) -> Check:
    position = lsn.number(each.lsn)
    return Check(str(each.entry.id), position, each.system, each.timeline, now, each.entry.traceparent)


def _persisted(id: str, pending: Pending) -> Check:
    position = lsn.number(pending.lsn)
    return Check(id, position, pending.system, pending.timeline, pending.since, pending.traceparent)


def _portions(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + PORTION] for start in range(0, len(ids), PORTION))
