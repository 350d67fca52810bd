"""A drainer for tests: in this process, in a thread, or as a process of its own that may be killed.

python -m tests.plugins.buffer.drains SETTINGS_JSON ATTEMPT SECONDS
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest
import redis
from windlass_buffer.draining import Counts, Drainer
from windlass_buffer.settings import BufferSettings
from windlass_buffer.taking import Intake
from windlass_buffer_client.envelope import Entry, Statement, encode, new_id
from windlass_buffer_client.keys import Keys
from windlass_buffer_client.ledger import Ledger
from windlass_buffer_client.reports import Status
from windlass_buffer_client.scripts import Scripts

from tests.plugins.buffer.replicas import Pair

EFFECT = "create table effect (n bigserial, key text not null, seq bigint not null, at timestamptz default now())"
"""The ledger outside: nothing in it keeps a row from being there twice, and `n` tells the order."""
LEFT = """
local left = redis.call('LLEN', KEYS[1] .. 'queue')
for _, taken in ipairs(redis.call('KEYS', KEYS[1] .. 'taken:*')) do
  left = left + redis.call('LLEN', taken)
end
return left
"""
STATEMENTS = [
    {
        "name": "effect.add",
        "sql": "insert into effect (key, seq) values (%(key)s, %(seq)s)",
        "parameters": {"key": "text", "seq": "int"},
    },
    {"name": "fail", "sql": "select 1 / %(by)s", "parameters": {"by": "int"}},
]


class Heard:
    """What people would read."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.steps: list[str] = []
        self.done = 0

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def step(self, text: str, **data: Any) -> None:
        self.steps.append(text)

    def progress(self, current: int, total: int | None = None) -> None:
        self.done = current


class Field:
    """One site: its buffer, and its main database with the table `effect`."""

    def __init__(self, url: str, dsn: str, site: str, **more: Any) -> None:
        self.url, self.dsn, self.site = url, dsn, site
        self.redis = redis.Redis.from_url(url)
        self.keys = Keys(site)
        self.ledger = Ledger(self.redis, site)
        self.heard = Heard()
        self.seq = 0
        self.place: dict[str, Any] = {"name": site, "redis": url, "dsn": dsn, "statement": STATEMENTS, **more}
        self.numbers: dict[str, Any] = {"TRANSACTION_RETRY_DELAY": 0.2}

    @property
    def settings(self) -> BufferSettings:
        return msgspec.convert({"site": [self.place], **self.numbers}, BufferSettings)

    def create(self) -> None:
        self.ask(EFFECT)

    def entry(self, key: str = "", *, by: int | None = None, **more: Any) -> Entry:
        """The next one: its number goes into `effect`; with `by` it divides 1 by that before."""
        self.seq += 1
        steps = [Statement(name="effect.add", parameters={"key": key, "seq": self.seq})]
        if by is not None:
            steps.insert(0, Statement(name="fail", parameters={"by": by}))
        told = {"statements": steps, "key": key, "created": time.time(), **more}
        return Entry(new_id(), "/test", **told)

    def push(self, *entries: Entry | bytes) -> None:
        """As producers do, in this order; bytes as strangers do."""
        sent = self.redis.pipeline(transaction=False)
        script = Scripts(self.keys.root).submit
        sent.script_load(script.source)
        for entry in entries:
            if isinstance(entry, bytes):
                sent.lpush(self.keys.queue, entry)
            else:
                told = (10**6, "", 0, "a", str(entry.id), encode(entry), b"", 3600, time.time())
                sent.evalsha(script.sha, 1, self.keys.root, *told)
        sent.execute()

    def ask(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute(query.encode(), values or None)
            return found.fetchall() if found.description else []

    def effects(self) -> list[tuple[str, int]]:
        """(key, number) in the order in which they were written."""
        return [(key, seq) for key, seq in self.ask("select key, seq from effect order by n")]

    def drainer(self, stopped: threading.Event, attempt: int = 1, task: int = 7, **more: Any) -> Drainer:
        settings = self.settings
        intake = Intake(self.url, self.site, task=task, attempt=attempt, wait=settings.wait)
        return Drainer(settings, settings.site[0], self.dsn, intake, self.heard, stopped, **more)

    @contextmanager
    def draining(self, **who: Any) -> Iterator[Drainer]:
        """Beside the test, until the block ends."""
        stopped = threading.Event()
        drainer = self.drainer(stopped, **who)
        raised: list[BaseException] = []

        def run() -> None:
            try:
                drainer.run(600)
            except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
                raised.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield drainer
        finally:
            stopped.set()
            thread.join(30)
            assert not thread.is_alive()
        if raised:
            raise raised[0]

    def wait(self, condition: Callable[[], object], within: float = 15.0) -> None:
        deadline = time.monotonic() + within
        while not condition():
            assert time.monotonic() < deadline, f"not within {within} s; it said {self.heard.steps[-5:]}"
            time.sleep(0.005)

    def drain(self, within: float = 15.0, **who: int) -> Counts:
        """All of it, to its end."""
        with self.draining(**who) as drainer:
            self.wait(self.is_empty, within)
        return drainer.counts

    def status(self, id: object) -> Status:
        found = self.ledger.status(str(id))
        assert found is not None
        return found

    def is_empty(self) -> bool:
        """Nothing waits, and nobody has anything in hand; looked at as one, since entries move between the two."""
        return bool(self.redis.eval(LEFT, 1, self.keys.root) == 0)


@pytest.fixture
def field(pair: Pair, valkey_url: str, site: str) -> Field:
    """A site of the test's own, whose main database is empty but for `effect`."""
    made = Field(valkey_url, pair.primary, site)
    made.create()
    return made


def keys_in_order(effects: Iterable[tuple[str, int]]) -> bool:
    last: dict[str, int] = {}
    for key, seq in effects:
        if seq <= last.get(key, 0):
            return False
        last[key] = seq
    return True


def main(settings: str, attempt: str, seconds: str) -> Counts:
    decoded = msgspec.json.decode(settings, type=BufferSettings)
    site = decoded.site[0]
    intake = Intake(site.redis, site.name, task=7, attempt=int(attempt), wait=decoded.wait)
    return Drainer(decoded, site, site.dsn, intake, Heard(), threading.Event()).run(float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
