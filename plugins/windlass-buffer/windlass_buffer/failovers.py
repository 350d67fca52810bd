"""The record of failovers: which committed transactions the new main database may lack, kept in Redis for operators."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import redis
from windlass_buffer_client import lsn
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import STATUS_TTL

from windlass_buffer.replication import Check

KEPT = 100  # records
ERROR = "committed, but may be missing since a failover: the new timeline branched off before it"


class Failover(msgspec.Struct, frozen=True):
    """Transactions that were committed on `timeline` of `system` from position `first` on, and did not get further.

    `noticed` is in seconds since 1970.
    """

    system: str
    timeline: int
    first: str
    count: int
    ids: list[str]
    noticed: float


def failovers_key(site: str) -> str:
    """A list of Failover, JSON, newest left."""
    return f"{Keys(site).root}failovers"


def record(connection: redis.Redis, site: str, lost: Sequence[Check], now: float) -> None:
    """Writes them down and ends their following, in one step.  Their cache lives out its time."""
    keys = Keys(site)
    ids = [check.id for check in lost]
    first = lsn.text(min(check.lsn for check in lost))
    found = Failover(lost[0].system, lost[0].timeline, first, len(ids), ids, now)
    with connection.pipeline(transaction=True) as together:
        together.lpush(failovers_key(site), msgspec.json.encode(found))
        together.ltrim(failovers_key(site), 0, KEPT - 1)
        together.hdel(keys.pending, *ids)
        for id in ids:
            together.hset(keys.transaction(id), "error", ERROR)
            together.expire(keys.transaction(id), STATUS_TTL)
        together.execute()


def failovers(connection: redis.Redis, site: str) -> list[Failover]:
    """What is on record, newest first."""
    found: list[bytes] = connection.lrange(failovers_key(site), 0, -1)  # type: ignore[assignment]  # its stubs mix in futures
    return [msgspec.json.decode(text, type=Failover) for text in found]
