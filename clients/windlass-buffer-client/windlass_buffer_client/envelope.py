"""The envelope: what a transaction is while it waits, as JSON.  `schema()` describes it to strangers."""

from __future__ import annotations

import os
import time
from typing import Any
from uuid import UUID

import msgspec

from windlass_buffer_client.errors import BadEntry, EntryTooLarge
from windlass_buffer_client.keys import checked

SIZE_LIMIT = 256 * 1024
"""Bytes of JSON that one entry may have."""


class Statement(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One statement: `name` of a registered one, or raw `sql`, which a drainer refuses unless its operator allows it.

    `id` is for `after` of later statements, which names those that must come before; they run in the order given.
    """

    name: str = ""
    parameters: dict[str, Any] = {}
    sql: str = ""
    id: str = ""
    after: list[str] = []

    def __post_init__(self) -> None:
        if bool(self.name) == bool(self.sql):
            raise ValueError("a statement has either `name` or `sql`")


class Record(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What readers see of a record from now on, before any database has it: its data, or that it is deleted."""

    collection: str
    id: str
    data: Any = None
    deleted: bool = False

    def __post_init__(self) -> None:
        checked("collection", self.collection)
        if not self.id:
            raise ValueError(f"a record of {self.collection} has no `id`")
        if self.deleted and self.data is not None:
            raise ValueError("a deleted record has no `data`")


class Entry(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A transaction: its statements are executed in order, all or none, exactly once.

    `endpoint` says for people where it came from; transactions of one `key` keep their order ("" is the whole site).
    `created` is in seconds since 1970.  `epoch` and `seq` are given when it is submitted: numbers are dense inside an
    epoch, so that a missing one is known to be missing.
    """

    id: UUID
    endpoint: str
    statements: list[Statement]
    key: str = ""
    records: list[Record] = []
    created: float = 0.0
    traceparent: str = ""
    epoch: str = ""
    seq: int = 0
    attempts: int = 0

    def __post_init__(self) -> None:
        if not self.endpoint:
            raise ValueError("`endpoint` is empty: say for people where the transaction comes from")
        if not self.statements:
            raise ValueError("`statements` is empty: a transaction has at least one")
        earlier: set[str] = set()
        for number, statement in enumerate(self.statements):
            for needed in statement.after:
                if needed not in earlier:
                    raise ValueError(f"statements[{number}].after: there is no earlier statement {needed!r}")
            if statement.id in earlier:
                raise ValueError(f"statements[{number}].id: {statement.id!r} is there already")
            if statement.id:
                earlier.add(statement.id)


class Buffered(msgspec.Struct, omit_defaults=True):
    """A record in the read buffer or in the cache, and the transaction that wrote it."""

    tx: str  # first in its JSON: scripts tell by the beginning whose it is
    data: Any = None
    deleted: bool = False


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)
_packer = msgspec.msgpack.Encoder()


def new_id(now: float | None = None) -> UUID:
    """A new id (UUID 7, RFC 9562): ids made one after another lie side by side in the database's index."""
    milliseconds = int((time.time() if now is None else now) * 1000)
    bits = int.from_bytes(os.urandom(10))
    return UUID(int=milliseconds << 80 | 7 << 76 | (bits >> 68) << 64 | 2 << 62 | bits & (1 << 62) - 1)


def encode(entry: Entry, limit: int = SIZE_LIMIT) -> bytes:
    """The entry as JSON; EntryTooLarge above `limit` bytes, BadEntry when a drainer could not read it."""
    try:
        body = _encoder.encode(entry)
    except (TypeError, ValueError) as error:  # a parameter of the caller's own class, a surrogate, an endless float
        raise BadEntry(f"the entry cannot be written as JSON: {error}") from error
    if len(body) > limit:
        raise EntryTooLarge(len(body), limit)
    decode(body, limit)  # a wrong type is told to whoever wrote it, not found among the dead letters
    return body


def decode(body: bytes, limit: int = SIZE_LIMIT) -> Entry:
    """The entry of this JSON; BadEntry (EntryTooLarge above `limit` bytes) says what is wrong with it."""
    if len(body) > limit:
        raise EntryTooLarge(len(body), limit)
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadEntry(f"no valid entry: {error}") from error


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of an entry."""
    return msgspec.json.schema(Entry)


def packed_records(entry: Entry) -> bytes:
    """The entry's records for a script: msgpack of [collection, id, JSON of Buffered], nothing when it has none."""
    return _packer.encode(triples(entry)) if entry.records else b""


def triples(entry: Entry) -> list[tuple[str, str, str]]:
    """Each record as (collection, id, JSON of Buffered)."""
    tx = str(entry.id)
    return [
        (each.collection, each.id, _encoder.encode(Buffered(tx, each.data, each.deleted)).decode())
        for each in entry.records
    ]
