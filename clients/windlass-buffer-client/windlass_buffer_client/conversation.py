"""What a client says to Redis and how it understands the answers: without I/O, the same for both clients.

Each method is a generator: it yields a Step, is sent the answer, and returns the result.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from operator import itemgetter
from typing import Any, Literal, NamedTuple, TypeVar
from uuid import UUID

from windlass_buffer_client import tracing
from windlass_buffer_client.envelope import SIZE_LIMIT, Entry, Record, Statement, encode, new_id, packed_records
from windlass_buffer_client.errors import (
    BadEntry,
    BadName,
    BufferFull,
    TransactionDead,
    UnknownTransaction,
    WaitTimeout,
)
from windlass_buffer_client.keys import Keys, checked
from windlass_buffer_client.ledger import WAITING_TTL
from windlass_buffer_client.merging import Found, merged, one
from windlass_buffer_client.replicas import Facts, has_replayed
from windlass_buffer_client.reports import Status, status_of
from windlass_buffer_client.scripts import Scripts
from windlass_buffer_client.steps import AskDatabase, AskReplica, Command, Hear, Listen, Pause, Run, Step

T = TypeVar("T")
Talk = Generator[Step, Any, T]
Clock = Callable[[], float]

FULL, TAKEN = "0", "1"
FIELDS = ("state", "epoch", "seq", "attempts", "error", "lsn", "system", "timeline", "created")

LOOK_EVERY = 1.0
"""Seconds after which a waiter looks though it heard nothing: what is said may get lost, what is kept does not."""

SHORTEST, LONGEST = 0.002, 0.05
"""Seconds between two looks at a full queue or at a replica, which tell nobody when that changes: it doubles."""


class Receipt(NamedTuple):
    """A transaction that is buffered: `seq` is its number within `epoch`, `depth` how many wait with it.

    `is_new` is False when a transaction of this id had been submitted before; nothing was added then.
    """

    id: UUID
    epoch: str
    seq: int
    depth: int
    is_new: bool


class Conversation:
    """One site's, with what its producer knows: the newest number that was acknowledged to it."""

    def __init__(
        self,
        site: str,
        *,
        limit: int | None = None,
        size_limit: int = SIZE_LIMIT,
        replicas: Mapping[str, str] | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.keys = Keys(site)
        self.scripts = Scripts(self.keys.root)
        self.limit = int(os.environ.get("TRANSACTION_BUFFER_SIZE", "1000")) if limit is None else limit
        self._size_limit = size_limit
        self._replicas = dict(replicas or {})
        self._clock = clock
        self._known = ("", 0)
        self._learning = threading.Lock()

    def submit(self, entry: Entry, wait: float) -> Talk[Receipt]:
        body = encode(entry, self._size_limit)
        told = (str(entry.id), body, packed_records(entry), WAITING_TTL, entry.created)
        pauses, deadline = doubling(), self._clock() + wait
        while True:
            answer = yield Run(self.scripts.submit, (self.limit, *self._known, secrets.token_hex(4), *told))
            what, epoch, seq, depth = answer.decode().split(" ")
            if what != FULL:
                if what == TAKEN:
                    self._learn(epoch, int(seq))
                return Receipt(entry.id, epoch, int(seq), int(depth), what == TAKEN)
            left = deadline - self._clock()
            if left <= 0:
                raise BufferFull(int(depth), self.limit)
            yield Pause(min(next(pauses), left))

    def status(self, id: UUID) -> Talk[Status]:
        found = yield Command(("HMGET", self.keys.transaction(id), *FIELDS))
        status = status_of(
            {name.encode(): value for name, value in zip(FIELDS, found, strict=True) if value is not None}
        )
        if status is None:
            raise UnknownTransaction(id)
        return status

    def wait_for(
        self, id: UUID, replica: str | None, until: Literal["applied", "replicated"], timeout: float
    ) -> Talk[Status]:
        dsn, deadline = self._dsn(replica), self._clock() + timeout
        status = yield from self._reached(id, until, deadline, timeout)
        if dsn is None:
            return status
        pauses = doubling()
        while True:
            left = deadline - self._clock()
            facts: Facts | str = yield AskReplica(dsn, max(left, SHORTEST))
            if not isinstance(facts, str) and has_replayed(status, facts):
                return status
            left = deadline - self._clock()
            if left <= 0:
                said = f" (it says: {facts})" if isinstance(facts, str) else ""
                raise WaitTimeout(id, status.state, f"replayed by the replica {_shown(replica)}{said}", timeout)
            yield Pause(min(next(pauses), left))

    def read(self, collection: str, id: str, database: Callable[[], Any] | None) -> Talk[Found | None]:
        buffered, cached = yield Run(self.scripts.look, (checked("collection", collection), id))
        found = one(id, buffered, cached)
        if found is not None or database is None:
            return found
        # After Redis, never before: what leaves the cache between the two is in the database then.
        row = yield AskDatabase(database)
        return None if row is None else Found(id, row, "database")

    def list(
        self,
        collection: str,
        database: Callable[[], Any] | Iterable[Any],
        id_of: Callable[[Any], Any],
    ) -> Talk[list[Found]]:
        buffered, cached = yield Run(self.scripts.list, (checked("collection", collection),))
        rows = (yield AskDatabase(database)) if callable(database) else database
        return merged(_pairs(buffered), _pairs(cached), rows, id_of)

    def _reached(self, id: UUID, until: str, deadline: float, timeout: float) -> Talk[Status]:
        """The status once it is there.  The first look listens to nothing: often it is there already."""
        is_listening = False
        while True:
            status = yield from self.status(id)
            if status.state == "dead":
                raise TransactionDead(id, status.error)
            if status.state == "replicated" or (status.is_applied and until == "applied"):
                return status
            left = deadline - self._clock()
            if left <= 0:
                raise WaitTimeout(id, status.state, until, timeout)
            if is_listening:
                yield Hear(min(left, LOOK_EVERY))
            else:
                yield Listen(self.keys.said(id))
                is_listening = True

    def _learn(self, epoch: str, seq: int) -> None:
        with self._learning:  # answers come back in any order
            if epoch != self._known[0] or seq > self._known[1]:
                self._known = (epoch, seq)

    def _dsn(self, replica: str | None) -> str | None:
        if replica is None or _is_dsn(replica):
            return replica
        if replica not in self._replicas:
            known = ", ".join(sorted(self._replicas)) or "none"
            raise BadName(f"replica {replica!r} is neither a DSN nor one that the client was told of (known: {known})")
        return self._replicas[replica]


def entry_of(
    endpoint: str,
    statements: Iterable[Statement],
    key: str,
    records: Iterable[Record],
    id: UUID | str | None,
    traceparent: str,
) -> Entry:
    """The entry of what a caller of `submit` says; BadEntry names the field that is wrong."""
    known = new_id() if id is None else transaction_id(id)
    try:
        return Entry(
            *(known, endpoint, [*statements]),
            key=key,
            records=[*records],
            created=time.time(),
            traceparent=tracing.traceparent(traceparent),
        )
    except BadEntry:
        raise
    except ValueError as error:
        raise BadEntry(str(error)) from error


def transaction_id(id: UUID | str) -> UUID:
    """The id; BadName when it is none."""
    if isinstance(id, UUID):
        return id
    try:
        return UUID(id)
    except ValueError:
        raise BadName(f"id {id!r} is no UUID: give the one that submit returned, or one of your own") from None


def id_of_row(id: str | Callable[[Any], Any]) -> Callable[[Any], Any]:
    return itemgetter(id) if isinstance(id, str) else id


def doubling() -> Generator[float, None, None]:
    pause = SHORTEST
    while True:
        yield pause
        pause = min(pause * 2, LONGEST)


def _is_dsn(replica: str) -> bool:
    return "=" in replica or "://" in replica


def _shown(replica: str | None) -> str:
    """What an error may say of it: its name, but not a DSN, which may hold a password."""
    return "" if replica is None or _is_dsn(replica) else replica


def _pairs(flat: list[bytes]) -> dict[str, bytes]:
    return {id.decode(): text for id, text in zip(flat[::2], flat[1::2], strict=True)}
