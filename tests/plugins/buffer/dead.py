"""Entries that die in a site of the tests' own."""

from __future__ import annotations

from typing import Any

import redis
from windlass_buffer_client.envelope import Entry
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Ledger

from tests.clients.buffer_entries import entry, submit

MAIN = "host=nowhere.invalid dbname=shop"


def settings(url: str, *sites: str, **more: Any) -> dict[str, Any]:
    """The table `[plugins]`: sites whose main database is not asked in these tests."""
    return {"buffer": {"site": [{"name": site, "redis": url, "dsn": MAIN} for site in sites], **more}}


def dies(connection: redis.Redis, site: str, error: str = "no such table", **fields: Any) -> Entry:
    """Submitted, taken by nobody, and dead after three attempts."""
    told = entry(*fields.pop("records", ()), **fields)
    submit(connection, site, told)
    raw = connection.lpop(Keys(site).queue)
    assert isinstance(raw, bytes)
    Ledger(connection, site).dead(raw, error, 3, entry=told)
    return told


def garbage(connection: redis.Redis, site: str, raw: bytes) -> None:
    """Something that is no entry, found by a drainer."""
    Ledger(connection, site).dead(raw, "no valid entry", 0)
