"""Applies a batch in one transaction: its ids, its statements in order, how far the site is, COMMIT.

The good path is one round trip for a batch, and no savepoints.  After an error the batch is rolled back and done once
more, one entry at a time inside savepoints, to learn which of them fail; those of other keys are committed.  A COMMIT
that fails names nobody (a deferred constraint), so then each entry gets a transaction of its own.

Nothing here says that a COMMIT whose answer was lost did not happen: the batch is simply tried again, and the recorded
ids tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count, groupby
from typing import Any, NamedTuple

import psycopg
from windlass import failpoint
from windlass_buffer_client import lsn

from windlass_buffer.database import MARK, Away, Database, Mark, Position
from windlass_buffer.judging import Verdict, in_words, judge
from windlass_buffer.lines import Work
from windlass_buffer.statements import Step

APPLIED = failpoint("buffer.apply", "a batch's statements were sent to the main database, and not yet committed")
COMMITTED = failpoint("buffer.commit", "a batch was committed, and Redis does not know yet")

# What has no number (a stranger's, or requeued) leaves it where it is.
# One row or an error: a pipeline has no "if".  The row's lock is what keeps every other drainer out until COMMIT.
MOVE = """
    update windlass_buffer.position set
        seq = case when %(epoch)s in ('', epoch) then greatest(seq, %(seq)s) else %(seq)s end,
        epoch = coalesce(nullif(%(epoch)s, ''), epoch), at = now()
    where site = %(site)s and fence = %(fence)s returning 1
"""
RECORD = """
    insert into windlass_buffer.applied (site, id, seq)
    select %(site)s, * from unnest(%(ids)s::uuid[], %(seqs)s::bigint[])
"""
HOLD = f"""
    with held as ({MOVE}), recorded as ({RECORD})
    select 1 / count(*), set_config('statement_timeout', %(timeout)s, true) from held
"""  # noqa: S608 - of constants
CHECK = """
    select set_config('statement_timeout', %(timeout)s, true) from windlass_buffer.position
    where site = %(site)s and fence = %(fence)s for update
"""
RECORD_NEW = f"{RECORD} on conflict do nothing returning id"


class Superseded(Exception):
    """Another drainer has taken over this site."""


class Again(Exception):
    """Others were in the way; nothing was applied, and nothing is wrong with the batch."""


class _Unblamed(Exception):
    """The transaction failed, and nothing says because of which entry."""


class Applied(NamedTuple):
    """`done` were committed, now or before; `failed` say why they were not; `behind` wait behind one that failed."""

    done: list[Work]
    failed: list[tuple[Work, str]]
    behind: list[Work]


Reached = Callable[[Sequence[Work], Sequence[Work]], Position]
"""How far the site is once the first are finished, while the second are not."""


class Applier:
    def __init__(self, database: Database, statement_timeout: float, reached: Reached) -> None:
        self._database = database
        self._timeout = f"{int(statement_timeout * 1_000)}ms"
        self._reached = reached
        self._rollbacks = count(1)

    def apply(self, batch: Sequence[Work]) -> Applied:
        """Returns once it is committed.  Raises `Away`, `Again` or `Superseded`; then nothing of it may be assumed."""
        try:
            return self._together(batch)
        except psycopg.Error as error:
            self._recover(error)
        if len(batch) > 1:
            try:
                return self._one_by_one(batch)
            except _Unblamed:
                pass
        return self._alone(batch)

    def move(self, position: Position) -> None:
        """Write down how far the site is, when nothing is to be applied.  Raises as `apply`."""
        try:
            self._move(position)
        except psycopg.Error as error:
            self._recover(error)

    def mark(self) -> Mark:
        """Where the log stands now: not before what was committed.  Raises `Away`."""
        try:
            row = self._connection.execute(MARK).fetchone()
        except psycopg.Error as error:
            self._database.close()
            raise Away(in_words(error)) from error
        assert row is not None
        return Mark(lsn.text(lsn.end(lsn.number(row[0]))), self._database.system, row[1])

    def _together(self, batch: Sequence[Work]) -> Applied:
        """In one round trip.  An id that is recorded already is an error here: that is rare, and no error below."""
        with self._connection.pipeline() as pipeline:
            self._connection.execute("begin")
            self._connection.execute(HOLD, self._hold(self._reached(batch, ())) | self._ids(batch))
            self._send(step for work in batch for step in work.steps)
            if APPLIED:
                pipeline.sync()
                APPLIED(count=len(batch))
            self._connection.execute("commit")
        if COMMITTED:
            COMMITTED(count=len(batch))
        return Applied(list(batch), [], [])

    def _one_by_one(self, batch: Sequence[Work]) -> Applied:
        done: list[Work] = []
        failed: list[tuple[Work, str]] = []
        behind: list[Work] = []
        held: set[str] = set()
        try:
            self._begin()
            for work in batch:
                if work.key in held:
                    behind.append(work)
                elif why := self._tried(work):
                    failed.append((work, why))
                    held.add(work.key)
                else:
                    done.append(work)
            if APPLIED:
                APPLIED(count=len(done))
            self._move(self._reached(done, [*(work for work, _ in failed), *behind]))
            self._commit()
            return Applied(done, failed, behind)
        except psycopg.Error as error:
            self._recover(error)
            raise _Unblamed from error

    def _alone(self, batch: Sequence[Work]) -> Applied:
        """Each in its own transaction, so that what COMMIT says is said of one."""
        applied = Applied([], [], [])
        held: set[str] = set()
        for place, work in enumerate(batch):
            if work.key in held:
                applied.behind.append(work)
                continue
            unfinished = [*(failed for failed, _ in applied.failed), *applied.behind, *batch[place + 1 :]]
            try:
                self._begin()
                self._execute(work)
                self._move(self._reached([*applied.done, work], unfinished))
                self._commit()
            except psycopg.Error as error:
                self._recover(error)
                applied.failed.append((work, in_words(error)))
                held.add(work.key)
            else:
                applied.done.append(work)
        return applied

    def _begin(self) -> None:
        self._connection.execute("begin")
        if self._connection.execute(CHECK, self._hold(Position("", 0))).fetchone() is None:
            self._connection.execute("rollback")
            raise Superseded

    def _tried(self, work: Work) -> str:
        """Why it can't be applied; empty once it is, as a part of the transaction."""
        self._connection.execute("savepoint entry")
        try:
            self._execute(work)
        except psycopg.Error as error:
            if judge(error, is_broken=self._connection.broken) is not Verdict.FAILED:
                raise
            self._connection.execute("rollback to entry")
            return in_words(error)
        self._connection.execute("release entry")
        return ""

    def _execute(self, work: Work) -> None:
        if self._connection.execute(RECORD_NEW, self._ids([work])).fetchone():
            for step in work.steps:
                with _as_data_errors():
                    self._connection.execute(step.sql, step.parameters, prepare=False)

    def _ids(self, batch: Sequence[Work]) -> dict[str, Any]:
        entries = [work.entry for work in batch]
        return {
            "site": self._database.site,
            "ids": [entry.id for entry in entries],
            "seqs": [entry.seq for entry in entries],
        }

    def _send(self, steps: Iterable[Step]) -> None:
        for sql, same in groupby(steps, key=lambda step: step.sql):
            # Many of one kind in a row are converted once.
            with _as_data_errors():
                self._connection.cursor().executemany(sql, [step.parameters for step in same])

    def _move(self, position: Position) -> None:
        if self._connection.execute(MOVE, self._hold(position)).fetchone() is None:
            raise Superseded

    def _commit(self) -> None:
        self._connection.execute("commit")
        if COMMITTED:
            COMMITTED()

    def _recover(self, error: psycopg.Error) -> None:
        """Leave no transaction open; raise what the error means, unless it is an entry's fault."""
        connection = self._database.connection
        verdict = judge(error, is_broken=connection is None or connection.broken)
        if verdict is not Verdict.AWAY:
            try:
                # What a failed pipeline was to prepare is not prepared, and psycopg 3.3 believes it is until it sees a
                # ROLLBACK that is new to it: each later use would fail.
                self._connection.execute(f"rollback -- {next(self._rollbacks)}".encode())
            except psycopg.Error as worse:
                error, verdict = worse, Verdict.AWAY
        if verdict is Verdict.AWAY:
            self._database.close()
            raise Away(in_words(error)) from error
        if verdict is Verdict.AGAIN:
            raise Again(in_words(error)) from error

    def _hold(self, position: Position) -> dict[str, Any]:
        database = self._database
        who = {"site": database.site, "fence": database.fence, "timeout": self._timeout}
        return {"epoch": position.epoch, "seq": position.seq, **who}

    @property
    def _connection(self) -> psycopg.Connection[Any]:
        connection = self._database.connection
        if connection is None:
            raise Away("it is not connected")
        return connection


@contextmanager
def _as_data_errors() -> Iterator[None]:
    """What can't be sent (half a surrogate pair, a date beyond the calendar) is an entry's fault like any other."""
    try:
        yield
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise psycopg.DataError(f"a parameter can't be sent to PostgreSQL: {error}") from error
