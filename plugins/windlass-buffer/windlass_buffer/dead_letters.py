"""Dead letters as they lie in Redis: read, requeued and dropped.  Each of the last two is one script: whole or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from importlib.resources import files
from typing import Any

import msgspec
from windlass_buffer_client.envelope import Entry, decode, encode, packed_records
from windlass_buffer_client.errors import BadEntry
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import WAITING_TTL
from windlass_buffer_client.reports import DeadLetter

from windlass_buffer.asking import Redis

PAGE = 500
MOST = 5_000
"""Letters that one call moves: the server does nothing else meanwhile."""
MOST_BYTES = 32 * 1024 * 1024
LARGEST = 2**40
"""Bytes: what is dead is read however large it is."""
_REQUEUE, _DROP = (files(__package__).joinpath(f"{name}.lua").read_text("utf-8") for name in ("requeue", "drop"))


class Letter(msgspec.Struct, frozen=True):
    """A dead letter, as it is shown and found."""

    id: str
    """Of its entry; one that is no entry gets one made of its content."""
    endpoint: str
    key: str
    error: str
    attempts: int
    when: float
    """Seconds since 1970."""
    entry: Entry | None
    """None: what is in it is no entry."""
    body: str
    raw: bytes
    """As it is in the list."""


class Moved(msgspec.Struct, frozen=True):
    """How many were; `remaining` more match and were too many for one call."""

    moved: int
    remaining: int
    unreadable: int = 0

    def plus(self, other: Moved) -> Moved:
        mine, theirs = msgspec.structs.astuple(self), msgspec.structs.astuple(other)
        return Moved(*(one + another for one, another in zip(mine, theirs, strict=True)))


def read(raw: bytes) -> Letter:
    """The letter, whatever lies there."""
    try:
        letter = msgspec.json.decode(raw, type=DeadLetter)
        body = letter.raw
    except (msgspec.DecodeError, ValueError) as error:  # a stranger put it there
        letter = DeadLetter(raw.decode(errors="replace"), f"no dead letter: {error}", 0, 0.0)
        body = raw
    try:
        entry = decode(body, LARGEST)
    except BadEntry:
        entry = None
    id = str(entry.id) if entry else f"unreadable-{blake2b(raw, digest_size=8).hexdigest()}"
    endpoint, key = (entry.endpoint, entry.key) if entry else ("", "")
    return Letter(id, endpoint, key, letter.error, letter.attempts, letter.when, entry, letter.body, raw)


def oldest_first(redis_: Redis, keys: Keys) -> Iterator[Letter]:
    """All of them.  New ones come at the other end, and disturb nothing."""
    end = -1
    while page := redis_.lrange(keys.dead, end - PAGE + 1, end):
        yield from map(read, reversed(page))
        end -= PAGE


def newest_first(redis_: Redis, keys: Keys) -> Iterator[Letter]:
    """All of them; those that die meanwhile push others into the next page, which are told once."""
    start, told = 0, set()
    while page := redis_.lrange(keys.dead, start, start + PAGE - 1):
        for letter in map(read, page):
            if letter.raw not in told:
                told.add(letter.raw)
                yield letter
        start += PAGE


def requeue(redis_: Redis, keys: Keys, fits: Callable[[Letter], bool]) -> Moved:
    """Those that fit go back to the queue in their order, before all that waits, with no attempt used."""
    chosen, remaining = _some(redis_, keys, fits)
    readable = [letter for letter in chosen if letter.entry is not None]
    arguments: list[Any] = [WAITING_TTL]
    for letter in readable:
        entry = letter.entry
        assert entry is not None
        # Its number was accounted for when it died: without one it is in no gap's way.
        again = msgspec.structs.replace(entry, attempts=0, seq=0, epoch="")
        arguments += [letter.raw, encode(again, LARGEST), letter.id, packed_records(entry)]
    moved = int(redis_.eval(_REQUEUE, 1, keys.root, *arguments)) if readable else 0
    return Moved(moved, remaining, len(chosen) - len(readable))


def drop(redis_: Redis, keys: Keys, fits: Callable[[Letter], bool]) -> Moved:
    """Those that fit are gone."""
    chosen, remaining = _some(redis_, keys, fits)
    dropped = int(redis_.eval(_DROP, 1, keys.root, *(letter.raw for letter in chosen))) if chosen else 0
    return Moved(dropped, remaining)


def _some(redis_: Redis, keys: Keys, fits: Callable[[Letter], bool]) -> tuple[list[Letter], int]:
    """The oldest that fit, as many as one script may move; and how many are left."""
    chosen: list[Letter] = []
    size = remaining = 0
    for letter in filter(fits, oldest_first(redis_, keys)):
        size += len(letter.raw)
        if remaining or len(chosen) == MOST or (chosen and size > MOST_BYTES):
            remaining += 1
        else:
            chosen.append(letter)
    return chosen, remaining
