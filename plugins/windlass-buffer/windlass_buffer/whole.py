"""One transaction, whole: how far it is, and what is in it while Redis still has that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.reports import Status, status_of

from windlass_buffer import dead_letters
from windlass_buffer.asking import Redis
from windlass_buffer.dead_letters import PAGE, Letter

MOST_LOOKED_AT = 20_000
"""Waiting entries: so many are gone through for one that has no dead letter."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    site: str
    state: str
    error: str = ""
    attempts: int = 0
    endpoint: str = ""
    key: str = ""
    seq: int = 0
    epoch: str = ""
    created: datetime | None = None
    died: datetime | None = None
    lsn: str = ""
    """Where the main database's log stood after its COMMIT; with the cluster's `system` identifier and `timeline`."""
    system: str = ""
    timeline: int = 0
    traceparent: str = ""
    statements: list[Any] | None = None
    """None: it is applied, and no longer in Redis."""
    records: list[Any] = []
    body: str = ""
    """What lies there in place of an entry."""


def find(redis_: Redis, keys: Keys, id: str) -> Shown | None:
    """None when this site knows nothing of it."""
    for letter in dead_letters.newest_first(redis_, keys):
        if letter.id == id:
            return _dead(keys.site, letter)
    status = status_of(redis_.hgetall(keys.transaction(id)))
    entry = next(_waiting(redis_, keys, id), None)
    if status is None and entry is None:
        return None
    return _alive(keys.site, id, status or Status("buffered"), entry or {})


def _dead(site: str, letter: Letter) -> Shown:
    died = datetime.fromtimestamp(letter.when, UTC)
    told = {"id": letter.id, "site": site, "state": "dead", "error": letter.error, "attempts": letter.attempts}
    if letter.entry is None:
        return Shown(**told, died=died, body=letter.body)  # type: ignore[arg-type]
    return msgspec.structs.replace(
        _of_entry(letter.id, site, "dead", msgspec.to_builtins(letter.entry)), died=died, **told
    )


def _alive(site: str, id: str, status: Status, entry: dict[str, Any]) -> Shown:
    shown = _of_entry(id, site, status.state, entry)
    known = {name: getattr(status, name) for name in ("error", "attempts", "seq", "epoch", "lsn", "system", "timeline")}
    created = datetime.fromtimestamp(status.created, UTC) if status.created else shown.created
    return msgspec.structs.replace(shown, created=created, **known)


def _of_entry(id: str, site: str, state: str, entry: dict[str, Any]) -> Shown:
    created = entry.get("created")
    named = {
        name: entry[name] for name in ("endpoint", "key", "seq", "epoch", "traceparent", "records") if name in entry
    }
    return Shown(
        id=id,
        site=site,
        state=state,
        statements=entry.get("statements"),
        created=datetime.fromtimestamp(created, UTC) if created else None,
        **named,
    )


def _waiting(redis_: Redis, keys: Keys, id: str) -> Iterator[dict[str, Any]]:
    """The entry, if it waits or is in a drainer's hands."""
    lists = [keys.queue, *(keys.taken(name.decode()) for name in redis_.zrange(keys.drainers, 0, -1))]
    for name in lists:
        for start in range(0, MOST_LOOKED_AT, PAGE):
            page = redis_.lrange(name, start, start + PAGE - 1)
            for raw in page:
                if id.encode() in raw and (entry := _readable(raw)) and entry.get("id") == id:
                    yield entry
            if len(page) < PAGE:
                break


def _readable(raw: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None
