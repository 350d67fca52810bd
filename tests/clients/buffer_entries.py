"""Entries for the buffer's tests, and a short way to submit one."""

import secrets
from typing import Any

import redis
from windlass_buffer_client.envelope import Entry, Record, Statement, encode, new_id, packed_records
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import WAITING_TTL, run
from windlass_buffer_client.scripts import Scripts


def entry(*records: Record, **fields: Any) -> Entry:
    given: dict[str, Any] = {"id": new_id(), "endpoint": "tests", "statements": [Statement("note")]}
    return Entry(**given | fields, records=list(records))


def submit(connection: redis.Redis, site: str, told: Entry, epoch: str = "", seq: int = 0, limit: int = 1000) -> Any:
    """What the script answers: [what, epoch, seq, depth]."""
    scripts = Scripts(Keys(site).root)
    known = (
        limit,
        epoch,
        seq,
        secrets.token_hex(4),
        str(told.id),
        encode(told),
        packed_records(told),
        WAITING_TTL,
        told.created,
    )
    what, epoch_now, given, depth = run(connection, scripts, scripts.submit, *known).decode().split()
    return [int(what), epoch_now, int(given), int(depth)]
