"""What must not change: with a backlog, a held snapshot, a long history, a second node; and an idle node."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import psutil
import psycopg
from windlass.store.facts import NewTask
from windlass.store.postgres import open_store

from bench.measures import PAD, Row, drain, node_command, pickup, seed, settle

BURST = 100_000
HOLD_SECONDS = 180.0
RELEASED_SECONDS = 300.0

FILL_HISTORY = """
with made as (
  insert into windlass.task
    (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload, created_at)
  select n, 'Noop', 'old', 5, 'default', 'bench', 2, 'bench', '{}', '{"i": 1}', now() - interval '1 hour'
  from generate_series((select nextval('windlass.task_id')),
                       (select last_value from windlass.task_id) + %(rows)s - 1) as n
  returning id
)
insert into windlass.outcome
  (id, state, priority, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message)
select id, 4, 5, 'Noop', 2, 1, 0, 2, 1, now() - interval '1 hour', now() - interval '1 hour', '' from made
"""
FILL_WAITING = """
with made as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload)
  select nextval('windlass.task_id'), 'Noop', 'hello', n % 10, 'default', 'bench', 2, 'bench', '{}', '{"i": 1}'
  from generate_series(1, 1000000) as n returning id, priority
)
insert into windlass.PLACE (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
select id, 'Noop', 'default', priority, now() DUE, 0, 0, 2 from made
"""


def backlog(dsn: str) -> list[Row]:
    """The first tasks of a million ready and a million deferred ones, against the same number alone."""
    [alone] = drain(dsn, BURST)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for place, due in (("ready", ""), ("deferred", "+ interval '1 day'")):
            connection.execute(FILL_WAITING.replace("PLACE", place).replace("DUE", due).encode())
    settle(dsn)
    rate = _rate(dsn, BURST)
    note = f"{100 * rate / alone.value:.0f} % of {alone.value:,.0f}/s with nothing else queued"
    return [Row(f"drain of the first {BURST} of 1M ready + 1M deferred", rate, "tasks/s", note)]


def history(dsn: str, rows: int = 10_000_000) -> list[Row]:
    """Claims and the history page beside ten million ended tasks."""
    [alone] = drain(dsn, BURST)
    page = _history_page(dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        for _ in range(0, rows, 1_000_000):
            connection.execute(FILL_HISTORY.encode(), {"rows": 1_000_000})
            connection.execute("select setval('windlass.task_id', (select max(id) from windlass.outcome))")
    settle(dsn)
    later = _history_page(dsn)
    seed(dsn, BURST)
    settle(dsn)
    rate = _rate(dsn, BURST)
    note = f"{100 * rate / alone.value:.0f} % of {alone.value:,.0f}/s without"
    return [
        Row(f"drain of {BURST} beside {rows} ended tasks", rate, "tasks/s", note),
        Row("history page of 50 beside them", later, "ms", f"{page:.2f} ms without"),
    ]


def held(dsn: str) -> list[Row]:
    """A snapshot held for three minutes at half load."""
    [fresh] = drain(dsn, BURST)
    with psycopg.connect(dsn) as holder:
        holder.execute("set transaction isolation level repeatable read")
        holder.execute("select count(*) from windlass.ready")
        _load(dsn, fresh.value / 2, HOLD_SECONDS)
        seed(dsn, BURST)
        during = _rate(dsn, BURST)
    released = time.monotonic()
    after, waited = 0.0, 0.0
    while after < 0.95 * fresh.value and waited < RELEASED_SECONDS:
        seed(dsn, BURST)
        after, waited = _rate(dsn, BURST), time.monotonic() - released
    return [
        Row("drain with a snapshot held 3 min at half load", during, "tasks/s", _share(during, fresh.value)),
        Row(f"and {waited:.0f} s after it was let go", after, "tasks/s", _share(after, fresh.value)),
    ]


def two(dsn: str, tasks: int = 200_000) -> list[Row]:
    """Two node processes against one."""
    [one] = drain(dsn, tasks)
    seed(dsn, tasks)
    settle(dsn)
    nodes = [_drainer(dsn, tasks, share=2) for _ in range(2)]
    answers = [json.loads(node.communicate()[0]) for node in nodes]
    calls = sum(answer["calls"] for answer in answers)
    assert calls == tasks, f"{calls} executions of {tasks} tasks"
    rate = tasks / (max(a["last"] for a in answers) - min(a["first"] for a in answers))
    return [Row(f"drain of {tasks} by two node processes", rate, "tasks/s", f"{rate / one.value:.2f} x one")]


def idle(dsn: str, seconds: float = 30.0) -> list[Row]:
    """CPU and transactions of a node with nothing to do."""
    with _serving(dsn) as process:
        time.sleep(5)
        busy, before = sum(process.cpu_times()[:2]), _transactions(dsn)
        time.sleep(seconds)
        cpu = sum(process.cpu_times()[:2]) - busy
        time.sleep(1.2)
        count = _transactions(dsn) - before
    return [
        Row("idle node, CPU", 100 * cpu / seconds, "% core"),
        Row("idle node, transactions", count / (seconds + 1.2), "tx/s", "autovacuum's and the measure's own included"),
    ]


def store_batch(dsn: str, batches: int = 150) -> list[Row]:
    """Batches of 500 through the store, two connections."""
    rows = []
    for words, ids in (("without request_id", False), ("with request_id", True)):
        rate = asyncio.run(_batches(dsn, batches, ids=ids))
        rows.append(Row(f"batch enqueue through the store, 2 connections, {words}", rate, "tasks/s"))
    return rows


def pickup_store(dsn: str, samples: int = 300) -> list[Row]:
    """Pickup of tasks that another process enqueues through the store, without gRPC."""
    return pickup(dsn, samples, through_store=True)


MEASURES: dict[str, Callable[[str], list[Row]]] = {
    "store": store_batch,
    "pickup-store": pickup_store,
    "idle": idle,
    "two": two,
    "backlog": backlog,
    "held": held,
    "history": history,
}


async def _batches(dsn: str, batches: int, *, ids: bool) -> float:
    store = await open_store(dsn, connections=2)
    payload = json.dumps({"i": 1, "pad": PAD})

    def batch() -> list[NewTask]:
        task = NewTask("Noop", "hello", 5, "default", "bench", 2, "bench", "{}", payload, body_hash=b"0" * 16)
        return [msgspec.structs.replace(task, request_id=uuid.uuid4()) if ids else task for _ in range(500)]

    ready = [batch() for _ in range(batches)]

    async def send() -> None:
        while ready:
            await store.queue.enqueue(ready.pop())

    await store.queue.enqueue(ready.pop())
    began = time.perf_counter()
    await asyncio.gather(send(), send())
    seconds = time.perf_counter() - began
    await store.close()
    return (batches - 1) * 500 / seconds


def _share(rate: float, fresh: float) -> str:
    return f"{100 * rate / fresh:.0f} % of {fresh:,.0f}/s"


def _rate(dsn: str, tasks: int) -> float:
    answer = json.loads(_drainer(dsn, tasks).communicate()[0])
    # With more waiting than it was asked for, it has taken some of that too.
    return float(answer["calls"] / answer["seconds"])


def _drainer(dsn: str, tasks: int, share: int = 1) -> subprocess.Popen[str]:
    mode = "drain" if share == 1 else "drain-shared"
    return subprocess.Popen(node_command(dsn, mode, str(tasks)), stdout=subprocess.PIPE, text=True)


def _load(dsn: str, rate: float, seconds: float) -> None:
    with _serving(dsn):
        asyncio.run(_feed(dsn, rate, seconds))
        with psycopg.connect(dsn, autocommit=True) as connection:
            while connection.execute("select exists (select from windlass.ready)").fetchone() == (True,):
                time.sleep(0.2)


async def _feed(dsn: str, rate: float, seconds: float) -> None:
    store = await open_store(dsn, connections=2)
    task = NewTask("Noop", "hello", 5, "default", "bench", 2, "bench", "{}", json.dumps({"i": 1, "pad": PAD}))
    began, sent = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds:
        while sent < passed * rate:
            await store.queue.enqueue([task] * 500)
            sent += 500
        await asyncio.sleep(0.01)
    await store.close()


@contextmanager
def _serving(dsn: str) -> Iterator[psutil.Process]:
    command = node_command(dsn, "serve")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield psutil.Process(process.pid)
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.communicate("0")


def _transactions(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _history_page(dsn: str) -> float:
    async def read() -> float:
        store = await open_store(dsn, connections=2)
        took = []
        for _ in range(20):
            began = time.perf_counter()
            await store.library.cards(50, None, None)
            took.append(time.perf_counter() - began)
        await store.close()
        return sorted(took)[len(took) // 2] * 1000

    return asyncio.run(read())
