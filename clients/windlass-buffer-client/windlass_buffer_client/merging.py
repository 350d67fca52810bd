"""What a reader sees: the read buffer over the buffered cache over the database, each record once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec

from windlass_buffer_client.envelope import Buffered

Origin = Literal["buffer", "cache", "database"]

_decode = msgspec.json.Decoder(Buffered).decode


class Found(msgspec.Struct, frozen=True):
    """A record and where it was found; `deleted` says that it is no longer there, whatever the database still has.

    `transaction` is the id of the transaction that wrote it, "" when it came from the database.
    """

    id: str
    data: Any
    origin: Origin
    deleted: bool = False
    transaction: str = ""


def one(id: str, buffered: bytes, cached: bytes) -> Found | None:
    """The newest of what is buffered of a record, each as JSON or empty; None when nothing is."""
    if buffered:
        return _found(id, buffered, "buffer")
    return _found(id, cached, "cache") if cached else None


def merged(
    buffered: Mapping[str, bytes], cached: Mapping[str, bytes], rows: Iterable[Any], id_of: Callable[[Any], Any]
) -> list[Found]:
    """The records of the database in their order, each as it is now, and then those it does not have yet.

    What was deleted is left out.  `id_of` tells the id of a row.
    """
    newer = {id: _found(id, text, "cache") for id, text in cached.items()}
    newer |= {id: _found(id, text, "buffer") for id, text in buffered.items()}
    seen: dict[str, Found] = {}
    for row in rows:
        id = str(id_of(row))
        if id not in seen:
            seen[id] = newer.pop(id) if id in newer else Found(id, row, "database")
    return [each for each in (*seen.values(), *newer.values()) if not each.deleted]


def _found(id: str, text: bytes, origin: Origin) -> Found:
    record = _decode(text)
    return Found(id, record.data, origin, record.deleted, record.tx)
