"""Every error this library raises on purpose.  Each says what to do."""

from __future__ import annotations

from uuid import UUID


class BufferClientError(Exception):
    """The base of all."""


class BadName(BufferClientError, ValueError):
    """A site, a drainer or a collection whose name cannot be part of a key."""


class BadEntry(BufferClientError, ValueError):
    """What was to be submitted, or came out of the list, is no entry.  The message names the field."""


class EntryTooLarge(BadEntry):
    """`size` and `limit` are bytes of JSON."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the entry has {size:,} bytes, {limit:,} are allowed: split it into several transactions, "
            "or keep large values elsewhere and write where they are"
        )
        self.size = size
        self.limit = limit


class BufferFull(BufferClientError):
    """Back-pressure: nothing was taken.  `depth` entries wait, `limit` may."""

    def __init__(self, depth: int, limit: int) -> None:
        super().__init__(
            f"{depth:,} transactions wait, and {limit:,} may: nothing was taken. Submit later, or with wait=<seconds>; "
            "if it lasts, see whether the drainer and the main database run, or raise TRANSACTION_BUFFER_SIZE"
        )
        self.depth = depth
        self.limit = limit


class BufferUnavailable(BufferClientError):
    """Redis cannot be reached, or refuses.  Nothing is known to have happened, and `id` names what may have.

    Submitting again with the same id is safe: a transaction of that id is taken once.
    """

    def __init__(self, message: str, *, id: UUID | None = None) -> None:
        super().__init__(message)
        self.id = id


class UnknownTransaction(BufferClientError, LookupError):
    """Nothing is known of it: never submitted, longer ago than its status is kept, or lost with Redis."""

    def __init__(self, id: UUID) -> None:
        super().__init__(
            f"nothing is known of transaction {id}: it was never submitted here, or its status has expired, "
            "or Redis lost it (windlass buffer gaps). Submitting it again with this id is safe for 7 days"
        )
        self.id = id


class TransactionDead(BufferClientError):
    """It was tried as often as allowed, and lies among the dead letters; `error` is the last one."""

    def __init__(self, id: UUID, error: str) -> None:
        super().__init__(f"transaction {id} failed for good: {error} (windlass buffer show {id}, requeue, or drop)")
        self.id = id
        self.error = error


class WaitTimeout(BufferClientError, TimeoutError):
    """What was waited for did not happen in time; the transaction goes its way all the same.  `state` is its last."""

    def __init__(self, id: UUID, state: str, awaited: str, seconds: float) -> None:
        super().__init__(
            f"transaction {id} was not {awaited} within {seconds:g} s, it is {state}: wait again, or go on without; "
            "until then read through this library, which knows what is buffered"
        )
        self.id = id
        self.state = state


class WrongReplica(BufferClientError):
    """The server that was asked cannot answer for this transaction: another cluster, or another history of it."""
