"""The transaction buffer: draining, submitting, and from one to the other; beside it the plain loop of many sites.

As a program it is the drainer: `python -m bench.buffer SITE_JSON` drains until its standard input closes, and
`python -m bench.buffer SITE_JSON plain` is the plain loop: look what is next by popping it and pushing it back, pop it,
execute it, commit, read the log's position; one by one.
"""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import psycopg
import redis
from windlass_buffer.handler import DrainBuffer, DrainPayload
from windlass_buffer.settings import BufferSettings
from windlass_buffer_client import BufferClient, Statement, SyncBufferClient
from windlass_buffer_client.keys import Keys

from bench.measures import Row, percentiles, settle
from bench.valkey import valkey

SITE = "bench"
LIMIT = 10_000_000
TABLE = "create table effect (place bigint generated always as identity, number bigint not null, pad text)"
INSERT = "insert into effect (number, pad) values (%(number)s, %(pad)s)"
PAD = "y" * 100
KILLS = 20
IN_FLIGHT = 32
FILLERS = 64


def drain(dsn: str, entries: int = 40_000) -> list[Row]:
    """Entries that wait already, in one order for the whole site: in batches, one commit each, by the plain loop."""
    with valkey() as url:
        return [
            _drained(dsn, url, entries, "one commit a batch", batch=200),
            _drained(dsn, url, entries // 8, "one commit each", batch=1),
            _drained(dsn, url, entries // 16, "the plain loop", plain=True),
        ]


def beside_a_replica(_: str, entries: int = 20_000) -> list[Row]:
    """The same on a primary with a streaming replica, whose replay is followed to the end."""
    from tests.plugins.buffer import replicas

    replicas.SETTINGS |= {"fsync": "on", "shared_buffers": "256MB", "max_wal_size": "2GB"}
    with valkey() as url, replicas.opened_cluster() as cluster:
        name = cluster.primary.database()
        near = [{"name": "near", "dsn": cluster.replica.dsn(name)}]
        what = "one commit a batch, beside a replica"
        return [_drained(cluster.primary.dsn(name), url, entries, what, batch=200, replica=near)]


def killed(dsn: str, entries: int = 10_000) -> list[Row]:
    """What is lost, and what comes twice, when whoever drains is killed (SIGKILL) again and again."""
    rows = []
    with valkey() as url:
        for what, plain in (("the drainer", False), ("the plain loop", True)):
            place = _site(dsn, url)
            _fill(dsn, url, entries)
            kills = _kill_again_and_again(place, entries, plain=plain)
            lost, twice, misplaced = _judged(dsn, entries)
            told = f"of {entries}, {kills} kills; {twice} came twice, {misplaced} out of order"
            rows.append(Row(f"lost with kill -9 of {what}", lost, "entries", told))
    return rows


def submit(dsn: str, seconds: float = 4.0) -> list[Row]:
    """One producer: one at a time, blocking and not, and 32 in flight; each with a record that readers see."""
    with valkey() as url:
        with SyncBufferClient(url, SITE, limit=LIMIT) as client:
            blocking = _submitted_in(client, seconds)
        one, delays = asyncio.run(_submitted(url, seconds, 1))
        many, many_delays = asyncio.run(_submitted(url, seconds, IN_FLIGHT))
    return [
        Row("submit, one at a time, blocking client", blocking / seconds, "tx/s"),
        _submits("submit, one at a time", one / seconds, delays),
        _submits(f"submit, {IN_FLIGHT} in flight", many / seconds, many_delays),
    ]


def latency(dsn: str, samples: int = 300) -> list[Row]:
    """From the call of submit until its caller knows of the COMMIT, on an idle site; what the idle drainer takes."""
    with valkey() as url:
        _prepare(dsn, url)
        with _draining(_site(dsn, url)) as process:
            delays = asyncio.run(_one_by_one(url, samples))
            before, began = _cpu(process.pid), time.monotonic()
            time.sleep(10.0)
            idle = (_cpu(process.pid) - before) / (time.monotonic() - began) * 100
    p50, p99 = percentiles(delays)
    return [
        Row("submit to COMMIT p50, idle", p50, "ms", "until the caller knows"),
        Row("submit to COMMIT p99, idle", p99, "ms", "until the caller knows"),
        Row("idle drainer", idle, "% of a core", "its process"),
    ]


MEASURES: dict[str, Callable[[str], list[Row]]] = {
    "buffer": drain,
    "buffer-replica": beside_a_replica,
    "buffer-kill": killed,
    "buffer-submit": submit,
    "buffer-latency": latency,
}


# --- a site, what waits in it, and what became of that


def _site(dsn: str, url: str, **more: Any) -> dict[str, Any]:
    parameters = {"number": "int", "pad": "text"}
    statement = {"name": "effect.add", "sql": INSERT, "parameters": parameters}
    return {"name": SITE, "redis": url, "dsn": dsn, "statement": [statement], **more}


def _prepare(dsn: str, url: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("drop table if exists effect")
        connection.execute("drop schema if exists windlass_buffer cascade")
        connection.execute(TABLE)
    with redis.Redis.from_url(url) as connection:
        connection.flushall()


def _fill(dsn: str, url: str, entries: int) -> None:
    """So many wait, in the order of their numbers, as producers leave them."""
    _prepare(dsn, url)
    asyncio.run(_filled(url, entries))
    settle(dsn)


async def _filled(url: str, entries: int) -> None:
    async with BufferClient(url, SITE, limit=LIMIT) as client:
        for start in range(0, entries, FILLERS):
            # Sent on one connection in this order, so taken in this order.
            numbers = range(start, min(start + FILLERS, entries))
            await asyncio.gather(*(client.submit("bench", [_add(number)]) for number in numbers))


def _add(number: int) -> Statement:
    return Statement("effect.add", parameters={"number": number, "pad": PAD})


def _judged(dsn: str, entries: int) -> tuple[int, int, int]:
    """How many are missing, came twice, and came after a later one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        found = [number for (number,) in connection.execute("select number from effect order by place").fetchall()]
    misplaced = sum(later < earlier for earlier, later in pairwise(found))
    return entries - len(set(found)), len(found) - len(set(found)), misplaced


# --- draining


def _drained(dsn: str, url: str, entries: int, what: str, *, plain: bool = False, **more: Any) -> Row:
    _fill(dsn, url, entries)
    keys = Keys(SITE)
    with redis.Redis.from_url(url) as connection, _draining(_site(dsn, url, **more), plain=plain):
        began, first = time.perf_counter(), entries
        while (left := _left(connection, keys)) > 0:
            if left == first == entries:
                began = time.perf_counter()  # it has not begun
            elif first == entries:
                began, first = time.perf_counter(), left
            time.sleep(0.002)
        took = time.perf_counter() - began
    judged = _judged(dsn, entries)
    assert judged == (0, 0, 0), f"{what}: (lost, twice, out of order) is {judged}"
    note = "" if plain else "order kept, each id recorded"
    return Row(f"drain of {entries} entries, {what}", first / took, "tx/s", note)


def _left(connection: Any, keys: Keys) -> int:
    """What is not finished: it waits, a drainer has it, or a replica has to show it yet."""
    drainers = [keys.taken(name.decode()) for name in connection.zrange(keys.drainers, 0, -1)]
    return int(sum(map(connection.llen, [keys.queue, *drainers])) + connection.hlen(keys.pending))


@contextmanager
def _draining(place: dict[str, Any], *, plain: bool = False) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "bench.buffer", json.dumps(place), *(["plain"] if plain else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _kill_again_and_again(place: dict[str, Any], entries: int, *, plain: bool) -> int:
    """Until nothing is left; how often."""
    chance, kills, keys = random.Random(1), 0, Keys(SITE)
    with redis.Redis.from_url(place["redis"]) as connection:
        while _left(connection, keys) > 0:
            with _draining(place, plain=plain) as process:
                before = _left(connection, keys)
                while before == _left(connection, keys) > 0:
                    time.sleep(0.001)
                if kills < KILLS:
                    time.sleep(chance.uniform(0.0, 0.05))
                    process.kill()
                    kills += 1
                else:
                    while _left(connection, keys) > 0:
                        time.sleep(0.05)
    return kills


# --- submitting


def _submitted_in(client: SyncBufferClient, seconds: float) -> int:
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        client.submit("bench", [_add(count)])
        count += 1
    return count


async def _submitted(url: str, seconds: float, in_flight: int) -> tuple[int, list[float]]:
    delays: list[float] = []
    async with BufferClient(url, SITE, limit=LIMIT) as client:
        end = time.perf_counter() + seconds

        async def submit_on() -> None:
            while (began := time.perf_counter()) < end:
                await client.submit("bench", [_add(len(delays))])
                delays.append(time.perf_counter() - began)

        await asyncio.gather(*(submit_on() for _ in range(in_flight)))
    return len(delays), delays


def _submits(what: str, rate: float, delays: list[float]) -> Row:
    p50, p99 = percentiles(delays)
    return Row(what, rate, "tx/s", f"p50 {p50} ms, p99 {p99} ms")


async def _one_by_one(url: str, samples: int) -> list[float]:
    chance, delays = random.Random(1), []
    async with BufferClient(url, SITE, limit=LIMIT) as client:
        await client.wait_for((await client.submit("bench", [_add(0)])).id)
        for number in range(1, samples + 1):
            await asyncio.sleep(chance.uniform(0.01, 0.05))
            began = time.perf_counter()
            await client.wait_for((await client.submit("bench", [_add(number)])).id)
            delays.append(time.perf_counter() - began)
    return delays


def _cpu(pid: int) -> float:
    """Seconds that the process has had."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


# --- the programs


class Context:
    """As much of the kernel's as the handler needs."""

    def __init__(self, cancelled: threading.Event) -> None:
        self.cancelled = cancelled
        # The next attempt of the same task knows that the one before is over.
        self.task = SimpleNamespace(id=1, attempt=time.time_ns() // 1_000_000, trigger="resident")

    def say(self, *words: Any, **data: Any) -> None:
        pass

    stage = step = progress = say


def _serve(place: dict[str, Any], closed: threading.Event) -> None:
    settings = msgspec.convert({"site": [place]}, BufferSettings)
    DrainBuffer(settings).run(Context(closed), DrainPayload(SITE))  # type: ignore[arg-type]


def _loop(place: dict[str, Any], closed: threading.Event) -> None:
    """Plain on purpose: each of these lines is in use somewhere."""
    queue = Keys(SITE).queue
    with redis.Redis.from_url(place["redis"]) as line, psycopg.connect(place["dsn"]) as connection:
        while not closed.is_set():
            if (found := line.brpop([queue], timeout=1)) is None:
                continue
            line.rpush(queue, found[1])
            if (raw := line.rpop(queue)) is None:
                continue
            for statement in json.loads(raw)["statements"]:
                connection.execute(INSERT, statement["parameters"])
            connection.commit()
            connection.execute("select pg_current_wal_lsn()").fetchone()
            connection.commit()


def main(arguments: Sequence[str]) -> None:
    closed = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        closed.set()

    threading.Thread(target=wait, daemon=True).start()
    (_loop if arguments[1:] else _serve)(json.loads(arguments[0]), closed)


if __name__ == "__main__":
    main(sys.argv[1:])
