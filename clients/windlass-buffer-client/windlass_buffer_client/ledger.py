"""The drainer's side of the bookkeeping in Redis: for each transaction one script or one command, so all or nothing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, cast
from uuid import UUID

import msgspec
import redis
from redis.exceptions import NoScriptError

from windlass_buffer_client.envelope import Entry, triples
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.reports import DeadLetter, Gap, Pending, Status, Totals, letter_of, status_of, totals_of
from windlass_buffer_client.scripts import Script, Scripts

STATUS_TTL = 3600
"""Seconds for which the status of a transaction is kept once it has ended."""

WAITING_TTL = 7 * 86_400
"""Seconds for which it is kept before: a database may be away for longer than an hour, and ids must be known again."""

CACHE_TTL = 60
"""Seconds for which an applied record stays in the cache, unless a replica that lags has it extended."""

AT_ONCE = 200
"""Transactions that one script takes."""

_pack = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode


class Applied(NamedTuple):
    """An entry that the main database has: where its log stood after the COMMIT, on which cluster and timeline.

    `raw` is the entry as it stands in the drainer's list; when given, it is removed from there in the same step.
    """

    entry: Entry
    lsn: str
    system: str
    timeline: int
    raw: bytes = b""


class Ledger:
    """What a drainer and a tracker write and read of one site.  `connection` answers bytes, as it does by default."""

    def __init__(
        self, connection: redis.Redis, site: str, *, status_ttl: int = STATUS_TTL, cache_ttl: int = CACHE_TTL
    ) -> None:
        self.keys = Keys(site)
        self._scripts = Scripts(self.keys.root)
        self._redis = connection
        self._status_ttl = status_ttl
        self._cache_ttl = cache_ttl

    def applying(self, ids: Iterable[UUID | str]) -> None:
        """These are in a drainer's hands."""
        for packed in _ids(ids):
            self._run(self._scripts.applying, packed, WAITING_TTL)

    def applied(self, done: Sequence[Applied], *, drainer: str = "", track: bool = True) -> None:
        """The main database has these, in this order: their records move from the read buffer to the cache.

        With `track` they are pending until `replicated` says so.  With `drainer` those with `raw` leave its list.
        """
        now = time.time()
        rows = [_applied_row(each, now if track else None) for each in done]
        self._run(self._scripts.applied, _pack(rows), self._taken(drainer), self._status_ttl, self._cache_ttl)

    def dead(self, raw: bytes, error: str, attempts: int, *, entry: Entry | None = None, drainer: str = "") -> None:
        """This, as it stood in the queue, failed for good.  It leaves the list; `entry` is None when it is none."""
        id, epoch, seq = (str(entry.id), entry.epoch, entry.seq) if entry else ("", "", 0)
        letter = _json(letter_of(raw, error, attempts, time.time(), id))
        records = _pack(triples(entry) if entry else [])
        told = (id, epoch, seq, letter, error, attempts, records)
        self._run(self._scripts.dead, *told, self._taken(drainer), raw, self._status_ttl)

    def replicated(self, ids: Iterable[UUID | str]) -> None:
        """The replicas have these: they are pending no longer, and their records leave the cache."""
        for packed in _ids(ids):
            self._run(self._scripts.replicated, packed, self._status_ttl)

    def extend(self, ids: Iterable[UUID | str], seconds: int) -> None:
        """Keeps the cache and the status of these for at least so many seconds from now; shortens nothing."""
        for packed in _ids(ids):
            self._run(self._scripts.extend, packed, seconds)

    def settle(self, epoch: str, seq: int) -> Totals:
        """The main database has everything up to `seq` of `epoch` ("" and 0 when nothing): the gaps leave that out.

        To be called before anything of another epoch is applied, and whenever Redis was away.
        """
        self._run(self._scripts.settle, epoch, seq, secrets.token_hex(4))
        return self.totals()

    def notice(self, epoch: str, seq: int) -> Totals:
        """`seq` was given in `epoch`: what of it Redis does not know is lost, and reported as a gap.

        To be called after `settle`, which leaves out what the main database has.
        """
        self._run(self._scripts.notice, epoch, seq, secrets.token_hex(4))
        return self.totals()

    def status(self, id: UUID | str) -> Status | None:
        return status_of(self._hash(self.keys.transaction(id)))

    def totals(self) -> Totals:
        return totals_of(self._hash(self.keys.meta))

    def pending(self) -> dict[str, Pending]:
        """Every transaction that a replica may not have yet, by id."""
        found = self._hash(self.keys.pending)
        return {id.decode(): msgspec.json.decode(text, type=Pending) for id, text in found.items()}

    def gaps(self) -> list[Gap]:
        """What was lost, newest first."""
        return [msgspec.json.decode(text, type=Gap) for text in self._list(self.keys.gaps, 0, -1)]

    def letters(self, first: int = 0, count: int = 1000) -> list[tuple[bytes, DeadLetter]]:
        """Dead letters, newest first: each as it stands in the list, and what it says."""
        found = self._list(self.keys.dead, first, first + count - 1)
        return [(text, msgspec.json.decode(text, type=DeadLetter)) for text in found]

    def _hash(self, key: str) -> dict[bytes, bytes]:
        return cast("dict[bytes, bytes]", self._redis.hgetall(key))

    def _list(self, key: str, first: int, last: int) -> list[bytes]:
        return cast("list[bytes]", self._redis.lrange(key, first, last))

    def _taken(self, drainer: str) -> str:
        return self.keys.taken(drainer) if drainer else ""

    def _run(self, script: Script, *arguments: Any) -> Any:
        return run(self._redis, self._scripts, script, *arguments)


def run(connection: redis.Redis, known: Scripts, script: Script, *arguments: Any) -> Any:
    """What the script answers; a server that does not know it is given it first."""
    try:
        return connection.evalsha(script.sha, 1, script.root, *arguments)
    except NoScriptError:
        connection.eval(known.begin.source, 1, script.root, secrets.token_hex(4))
        return connection.eval(script.source, 1, script.root, *arguments)


def _ids(ids: Iterable[UUID | str]) -> Iterator[bytes]:
    """Packed, some at a time: while a script runs, Redis serves nobody else, and each id costs it about 10 µs."""
    remaining = [str(each) for each in ids]
    for first in range(0, len(remaining), AT_ONCE):
        yield _pack(remaining[first : first + AT_ONCE])


def _applied_row(done: Applied, since: float | None) -> tuple[Any, ...]:
    entry, records = done.entry, triples(done.entry)
    pending = ""
    if since is not None:
        places = [(collection, id) for collection, id, _ in records]
        check = Pending(done.lsn, done.system, done.timeline, since, places, entry.traceparent)
        pending = _json(check).decode()
    told = (str(entry.id), entry.epoch, entry.seq, entry.attempts)
    return (*told, done.lsn, done.system, done.timeline, records, pending, done.raw.decode())
