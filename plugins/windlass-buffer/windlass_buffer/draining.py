"""The drainer of one site: takes, applies, tells Redis, and waits; for as long as it is asked to.

What it has in hand stands in its own list in Redis until it is finished, so it may be killed at any line of this.
Trouble has three forms.  The database is away: everything stays where it is, and nothing counts as an attempt.  Redis
is away: what is in hand is forgotten here, and taken again.  An entry fails: its key waits for it, the others go on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain

import msgspec
import psycopg
from redis.exceptions import RedisError
from windlass import failpoint
from windlass_buffer_client.envelope import Entry, decode
from windlass_buffer_client.errors import BadEntry
from windlass_buffer_client.ledger import Applied as Told
from windlass_buffer_client.ledger import Ledger

from windlass_buffer import spans
from windlass_buffer.applying import Again, Applied, Applier, Superseded
from windlass_buffer.database import Away, Database, Position
from windlass_buffer.judging import in_words
from windlass_buffer.lines import Lines, Work, reached
from windlass_buffer.settings import BufferSettings, Site
from windlass_buffer.statements import Refused, Statements
from windlass_buffer.taking import Beats, Intake, Lost, Rival
from windlass_buffer.telling import Trouble, Voice

REMOVED = failpoint("buffer.remove", "what was applied has left the drainer's list")

TAKEN_AT_ONCE = 200
MOST_HELD = 2_000
"""Entries in hand that wait for their key; nothing more is taken beyond that."""
CLASH_SECONDS = 0.1
"""After a deadlock; twice as long after each that follows, up to the pause of an outage."""
QUIET_SECONDS = 5.0
"""Without work for so long, the stage says so: not between any two transactions."""
NOTE_SECONDS = 0.5
REDIS_SECONDS = 1.0
WAITING, DRAINING = "waiting for transactions", "draining"
MOST_STEPS = 200
"""Lines in the timeline of one task about entries that failed."""


class Counts(msgspec.Struct):
    """Of one run."""

    applied: int = 0
    dead: int = 0
    failed_attempts: int = 0
    commits: int = 0


class Rivalled(Exception):
    """Another drainer has the site, and is alive."""

    def __init__(self, rival: Rival) -> None:
        super().__init__(f"drainer {rival.name} is at work")
        self.rival = rival


class Drainer:
    """For one run; not for two threads at once."""

    def __init__(
        self,
        settings: BufferSettings,
        site: Site,
        dsn: str,
        intake: Intake,
        voice: Voice,
        stopped: threading.Event,
        *,
        follow: Callable[[Sequence[Told]], None] = lambda _: None,
    ) -> None:
        """`follow` is handed what was committed and told to Redis, when its replication is to be followed."""
        self.counts = Counts()
        self._settings = settings
        self._site = site
        self._intake = intake
        self._voice = voice
        self._stopped = stopped
        self._follow = follow
        self._ledger = Ledger(intake.redis, site.name)
        self._statements = Statements(site.statement, allow_raw=site.allow_raw_sql)
        self._database = Database(dsn, site.name)
        self._applier = Applier(self._database, site.statement_timeout, self._reached)
        self._database_trouble = Trouble(voice, "the main database")
        self._redis_trouble = Trouble(voice, "Redis")
        self._is_ours = False
        self._epoch = ""
        self._lines = Lines()
        self._next: deque[Work] = deque()
        self._batch: list[Work] = []
        self._done: list[Work] = []
        """Committed, and Redis was not told yet."""
        self._buried: list[Entry] = []
        self._has_old = True
        self._not_before = 0.0
        self._losses = self._clashes = 0
        self._stage = ""
        self._worked = self._noted = 0.0
        self._processed = 0

    def run(self, seconds: float) -> Counts:
        """Drain for so long, or until it is stopped.  Raises `Rivalled` when the site is another drainer's."""
        end = time.monotonic() + seconds
        try:
            with Beats(self._intake, self._stopped) as beats:
                while not self._stopped.is_set() and time.monotonic() < end:
                    self._guarded_turn(beats)
                with suppress(RedisError):
                    self._note(time.monotonic())
        finally:
            self._close()
        return self.counts

    def _guarded_turn(self, beats: Beats) -> None:
        try:
            if not self._is_ours:
                self._claim()
                beats.is_lost = False
            if beats.is_lost:
                raise Lost
            self._turn()
        except Away as error:
            self._database_away(str(error))
        except psycopg.Error as error:
            self._database.close()
            self._database_away(in_words(error))
        except Again as error:
            self._voice.step(f"others were in the way, so it is tried again, which is no attempt: {error}")
            self._pause(min(CLASH_SECONDS * 2**self._clashes, self._settings.outage_pause))
            self._clashes = min(self._clashes + 1, 10)
        except (Lost, Superseded):
            self._forget()
            self._voice.step("the site was taken over, or Redis was emptied: claiming it again")
        except RedisError as error:
            self._forget()
            self._redis_trouble.begin(in_words(error), "what is buffered stays there")
            self._stopped.wait(REDIS_SECONDS)

    # --- the site

    def _claim(self) -> None:
        if rival := self._intake.claim():
            raise Rivalled(rival)
        self._is_ours = True
        if self._database.is_open:
            self._settle(self._database.position())
        self._redis_trouble.over()
        self._say(WAITING)

    def _forget(self) -> None:
        """All that is in hand stands in Redis too, and is taken from there again."""
        self._is_ours = False
        self._database.close()
        self._lines = Lines()
        self._next.clear()
        self._batch.clear()
        self._done.clear()

    def _open(self) -> None:
        """The database is looked at when there is work, and then it stays connected."""
        if self._database.is_open:
            return
        # Before: who is woken late must not fence out who took over.  After: from now on who takes over fences us out.
        self._intake.insist()
        position = self._database.open()
        self._intake.insist()
        self._settle(position)

    def _settle(self, position: Position) -> None:
        """Redis learns what the main database has, before it forgets what it gave."""
        self._ledger.settle(position.epoch, position.seq)
        self._epoch = position.epoch

    def _enter_epoch(self) -> None:
        """Before anything of another epoch is written down, what is known of this one is told."""
        epochs = [work.entry.epoch for work in self._batch if work.entry.epoch]
        if any(epoch != self._epoch for epoch in epochs):
            self._settle(self._database.position())
            self._epoch = epochs[-1]

    def _close(self) -> None:
        with suppress(RedisError):
            if self._is_ours:
                self._intake.release()
        self._database.close()
        self._intake.close()

    # --- one turn

    def _turn(self) -> None:
        now = time.monotonic()
        if now < self._not_before:
            self._stopped.wait(min(self._not_before - now, 1.0))
            return
        if not self._batch and not self._next:
            self._next.extend(self._lines.release(now))
        if self._batch or self._next or self._done or self._take():
            self._apply()

    def _take(self) -> bool:
        """Whether there is something to apply now; waits when there is not."""
        if len(self._lines) >= MOST_HELD:
            self._stopped.wait(max(0.0, min(self._until_release(), 1.0)))
            return False
        if not self._database.is_open and not self._wait():
            return False
        self._open()
        taken = self._intake.take(max(self._site.batch, TAKEN_AT_ONCE))
        if not taken:
            self._idle()
            self._wait()
            return False
        works = self._understood(taken)
        self._ledger.applying(work.entry.id for work in works)
        self._next.extend(works)
        return bool(works)

    def _wait(self) -> bool:
        if time.monotonic() - self._worked > QUIET_SECONDS:
            self._say(WAITING)
        return self._intake.wait(max(0.01, min(self._settings.wait, self._until_release())))

    def _until_release(self) -> float:
        at = self._lines.next_at
        return float(self._settings.wait) if at is None else at - time.monotonic()

    def _idle(self) -> None:
        self._note(time.monotonic())
        if self._buried:
            # The last of what was taken died, so no transaction wrote down that it is done with.
            self._applier.move(self._reached((), ()))
            self._buried.clear()
        if self._has_old:
            # A few thousand at a time, while nobody waits.
            self._has_old = self._database.prune(self._site.keep_ids)

    def _understood(self, taken: Sequence[bytes]) -> list[Work]:
        """What can be applied; the rest goes to the dead letters, and the drain goes on."""
        works = []
        for raw in taken:
            entry = None
            try:
                entry = decode(raw, self._site.largest_entry)
                works.append(Work(raw, entry, self._statements.steps(entry)))
            except (BadEntry, Refused) as error:
                self._bury(raw, entry, str(error), 0)
        return works

    def _apply(self) -> None:
        """What is at hand, batch by batch; Redis is told once of them all."""
        self._open()
        try:
            while self._next_batch() and len(self._done) < TAKEN_AT_ONCE:
                self._enter_epoch()
                if not self._database_trouble.is_on:
                    self._say(DRAINING)
                began = time.time_ns()
                self._applied(self._applier.apply(self._batch), began)
        finally:
            if self._done and self._database.is_open:
                self._tell()

    def _next_batch(self) -> bool:
        """Whether there is one: that which did not succeed, or what may go on of the next."""
        while not self._batch and self._next:
            some = [self._next.popleft() for _ in range(min(self._site.batch, len(self._next)))]
            self._batch = self._lines.admit(some)
        return bool(self._batch)

    def _applied(self, applied: Applied, began: int) -> None:
        self._batch = []
        self._done += applied.done
        spans.applied([work.entry for work in applied.done], self._site.name, began)
        self._buried.clear()
        self._losses = self._clashes = 0
        self.counts.commits += 1
        self._failed(applied)
        if self._database_trouble.over():
            self._intake.note({"database": ""}, 0)

    def _tell(self) -> None:
        mark = self._applier.mark()
        told = [Told(work.entry, *mark, work.raw) for work in self._done]
        tracked = self._settings.lsn_tracking and bool(self._site.replica)
        self._ledger.applied(told, drainer=self._intake.name, track=tracked)
        if tracked:
            self._follow(told)
        self._done.clear()
        if REMOVED:
            REMOVED(count=len(told))
        self._worked = time.monotonic()
        self.counts.applied += len(told)
        self._processed += len(told)
        if self._worked - self._noted >= NOTE_SECONDS:
            self._note(self._worked)

    # --- trouble

    def _failed(self, applied: Applied) -> None:
        now = time.monotonic()
        behind: dict[str, list[Work]] = {}
        for work in applied.behind:
            behind.setdefault(work.key, []).append(work)
        for work, why in applied.failed:
            self.counts.failed_attempts += 1
            tries, rest = self._intake.failed(work.entry.id, why), behind.pop(work.key, [])
            if tries >= self._settings.attempts:
                self._bury(work.raw, work.entry, why, tries)
                if rest:
                    self._lines.hold(rest, now)
            else:
                self._lines.hold([work, *rest], now + self._settings.retry_delay)
                self._tell_of_failure(work.entry, why, tries)

    def _tell_of_failure(self, entry: Entry, why: str, tries: int) -> None:
        if self.counts.failed_attempts <= MOST_STEPS:
            whose = f"what comes after it for {entry.key!r} waits" if entry.key else "the site waits"
            said = f"attempt {tries} of {self._settings.attempts} of transaction {entry.id} ({entry.endpoint}) failed"
            self._voice.step(f"{said}: {why}; {whose} {self._settings.retry_delay:g} s", transaction=str(entry.id))

    def _bury(self, raw: bytes, entry: Entry | None, why: str, tries: int) -> None:
        if entry is not None and tries:
            self._intake.forget_tries(entry.id)
        self._ledger.dead(raw, why, tries, entry=entry, drainer=self._intake.name)
        if entry is not None and entry.seq:
            self._buried.append(entry)
        self.counts.dead += 1
        if self.counts.dead <= MOST_STEPS:
            what = f"transaction {entry.id} ({entry.endpoint})" if entry else "what is no transaction"
            self._voice.step(f"{what} went to the dead letters: {why}"[:2_000])

    def _database_away(self, why: str) -> None:
        self._losses += 1
        if self._losses == 1:
            return  # a connection that was idle for long may be all that is gone
        self._database_trouble.begin(why, "no attempt is used up")
        with suppress(RedisError):
            self._intake.note({"database": why[:500]}, 0)
        self._stage = ""
        self._pause(self._settings.outage_pause)

    def _pause(self, seconds: float) -> None:
        self._not_before = time.monotonic() + seconds

    def _reached(self, finished: Sequence[Work], unfinished: Sequence[Work]) -> Position:
        """`unfinished` are those of the batch; others may wait for their key, or for the next batch."""
        done = [*self._buried, *(work.entry for work in finished)]
        waiting = chain(unfinished, self._lines.waiting(), self._next)
        return Position(*reached(done, [work.entry for work in waiting]))

    # --- what people see

    def _say(self, stage: str) -> None:
        if stage != self._stage:
            self._stage = stage
            self._voice.stage(stage)

    def _note(self, now: float) -> None:
        self._noted = now
        self._voice.progress(self.counts.applied)
        self._intake.note({"last_run": f"{time.time():.3f}"}, self._processed)
        self._processed = 0
