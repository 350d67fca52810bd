"""What is known of a site's buffer and of its transactions: read from Redis, the same for producers and drainers."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Literal

import msgspec

from windlass_buffer_client.envelope import Entry, decode

State = Literal["buffered", "applying", "applied", "replicated", "dead"]


class Status(msgspec.Struct, frozen=True):
    """How far a transaction is.

    `seq` counts within `epoch`, 0 when it did not come through this library.  `lsn` is where the main database's log
    stood after its COMMIT, and means something only together with `system` (the cluster's identifier) and `timeline`.
    `created` is in seconds since 1970.
    """

    state: State
    epoch: str = ""
    seq: int = 0
    attempts: int = 0
    error: str = ""
    lsn: str = ""
    system: str = ""
    timeline: int = 0
    created: float = 0.0

    @property
    def is_applied(self) -> bool:
        """True once the main database has it."""
        return self.state in {"applied", "replicated"}


class Pending(msgspec.Struct, frozen=True):
    """What a replica must have replayed before the records may leave the cache.  `since` is in seconds since 1970."""

    lsn: str
    system: str
    timeline: int
    since: float
    records: list[tuple[str, str]] = []
    traceparent: str = ""


class Gap(msgspec.Struct, frozen=True):
    """Transactions that were acknowledged and are lost: numbers `first` to `last` of `epoch`, `count` of them."""

    epoch: str
    first: int
    last: int
    count: int
    noticed: float


class DeadLetter(msgspec.Struct, frozen=True, omit_defaults=True):
    """What failed for good.  `body` is the entry as it was in the queue, in base64 when it is no text."""

    body: str
    error: str
    attempts: int
    when: float
    id: str = ""  # empty when it is no entry
    encoding: Literal["text", "base64"] = "text"

    @property
    def raw(self) -> bytes:
        return base64.b64decode(self.body) if self.encoding == "base64" else self.body.encode()

    def entry(self) -> Entry:
        """The entry; BadEntry when it was none."""
        return decode(self.raw)


class Totals(msgspec.Struct, frozen=True):
    """A site's counters: the last number given, the last finished, how many died.  `epoch` is "" before the first."""

    epoch: str = ""
    submitted: int = 0
    drained: int = 0
    dead: int = 0


def status_of(fields: Mapping[bytes, bytes]) -> Status | None:
    """The status in a transaction's hash; None when there is none."""
    return msgspec.convert(_text(fields), Status, strict=False) if b"state" in fields else None


def totals_of(fields: Mapping[bytes, bytes]) -> Totals:
    return msgspec.convert(_text(fields), Totals, strict=False)


def letter_of(raw: bytes, error: str, attempts: int, when: float, id: str = "") -> DeadLetter:
    """A dead letter of what stood in the queue, whatever it was."""
    try:
        return DeadLetter(raw.decode(), error, attempts, when, id)
    except UnicodeDecodeError:
        return DeadLetter(base64.b64encode(raw).decode(), error, attempts, when, id, "base64")


def _text(fields: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}
