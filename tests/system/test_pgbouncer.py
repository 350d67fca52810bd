"""Real servers behind a real pgbouncer in transaction mode, with three backends for all of them.

Retries, interrupts, a server that is killed, and a change of leader: every task ends once, and each repeated execution
has its reason on record.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from windlass.store.postgres import open_store

from tests.contract.facts import new_task
from tests.poolers import Pooler
from tests.system.serving import Home, home_in, wait_for

pytestmark = pytest.mark.needs(program="pgbouncer", package="pgbouncer")

PLUGIN = """
import asyncio, os
import msgspec
from windlass import Handler, Retry, RetryPolicy, Success, hookimpl

LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

class Work(msgspec.Struct):
    how: str = "quick"

class Labour(Handler[Work]):
    kind = "Labour"
    retry = RetryPolicy(attempts=10, pause=0.2)

    async def run(self, ctx, payload):
        os.write(LEDGER, f"{ctx.task.id} {ctx.task.attempt} {os.getpid()}\\n".encode())
        if payload.how == "fickle" and ctx.task.attempt == 1:
            return Retry("not yet")
        if payload.how == "chatty":
            for n in range(3):
                await ctx.step(f"step {n}")
                await asyncio.sleep(0.06)
        if payload.how == "endless" or (payload.how == "slow" and ctx.task.attempt == 1):
            await asyncio.sleep(3600)
        return Success()

@hookimpl
def windlass_register_handlers(settings):
    return [Labour()]
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "acme-labour"
version = "1.0"
[project.entry-points."windlass.plugins"]
labour = "acme_labour"
"""
COMPLETED, CANCELED = 4, 6
LOST, RETRY = 6, 4
LISTENING = "select from pg_stat_activity where query = 'listen windlass' and datname = current_database()"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin, built and installed as a stranger's would be."""
    source, target = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "acme_labour.py").write_text(PLUGIN)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


@pytest.fixture
def home(tmp_path: Path, pooled: str, installed: Path) -> Iterator[Home]:
    environ = {"WINDLASS_STORE_DSN": pooled, "PYTHONPATH": str(installed), "LEDGER": str(tmp_path / "ledger")}
    short = {"WINDLASS_NODE_LEASE": "6", "WINDLASS_NODE_RENEW": "1", "WINDLASS_NODE_DRAIN_GRACE": "0.5"}
    with home_in(tmp_path, **environ, **short) as made:
        yield made


def ask(dsn: str, query: str, *facts: object) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query.encode(), facts).fetchall()


def count(dsn: str, table: str) -> int:
    return int(ask(dsn, f"select count(*) from windlass.{table}")[0][0])


async def fill(dsn: str, how: str, tasks: int) -> list[int]:
    """So many tasks of a sort, stored through the pooler as well."""
    store = await open_store(dsn, connections=2)
    payload = json.dumps({"how": how})
    receipts = await store.queue.enqueue([new_task(kind="Labour", payload=payload)] * tasks)
    await store.close()
    return [receipt.task for receipt in receipts]


def executions(home: Home) -> list[tuple[int, int, int]]:
    """Task, attempt and process of each execution, by the plugin's own ledger."""
    ledger = Path(home.environ["LEDGER"])
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [(int(task), int(attempt), int(pid)) for task, attempt, pid in map(str.split, lines)]


def leader(dsn: str) -> int:
    """The process that leads."""
    rows = ask(dsn, "select n.pid from windlass.leader l join windlass.node n on n.id = l.node")
    return int(rows[0][0])


async def test_tasks_retries_and_interrupts_flow_through_a_pooler_and_survive_a_killed_leader(
    home: Home, pooled: str, dsn: str, pooler: Pooler
) -> None:
    slow = await fill(pooled, "slow", 2)
    first = home.serve()
    wait_for(lambda: {task for task, _, _ in executions(home)} == set(slow), "the slow ones to start")
    wait_for(lambda: ask(dsn, "select from windlass.running where started_at is null") == [], "their starts on record")
    second = home.serve()
    assert leader(dsn) == first.pid
    for how, tasks in (("quick", 3_000), ("fickle", 200), ("chatty", 40)):
        await fill(pooled, how, tasks)
    endless = await fill(pooled, "endless", 2)
    wait_for(lambda: count(dsn, "outcome") >= 1_000, "work to flow", 60)
    first.send_signal(signal.SIGKILL)
    wait_for(lambda: leader(dsn) == second.pid, "the other to lead", 30)
    wait_for(lambda: {task for task, _, _ in executions(home)} >= set(endless), "the endless ones to start", 60)
    for task in endless:
        assert home.run("interrupt", str(task)).returncode == 0
    total = 2 + 3_000 + 200 + 40 + 2
    wait_for(lambda: count(dsn, "outcome") == total, "everything to end", 60)

    states = dict(ask(dsn, "select state, count(*) from windlass.outcome group by 1"))
    assert states == {COMPLETED: total - 2, CANCELED: 2}
    assert [count(dsn, table) for table in ("ready", "deferred", "running")] == [0, 0, 0]
    verdicts = dict(ask(dsn, "select verdict, count(*) from windlass.attempt group by 1"))
    assert verdicts[RETRY] == 200
    assert verdicts[LOST] >= 2
    ran = Counter((task, attempt) for task, attempt, _ in executions(home))
    assert max(ran.values()) == 1, "an attempt ran twice"
    assert {pid for _, _, pid in executions(home)} == {first.pid, second.pid}
    assert pooler.backends(dsn) <= 3


async def test_work_of_another_server_is_found_within_the_poll_and_past_the_pooler_at_once(
    home: Home, pooled: str, dsn: str
) -> None:
    """Behind the pooler nobody hears, so looking finds it; `store.listen_dsn` leads past it."""
    home.serve()
    assert (
        ask(dsn, "select from pg_stat_activity where query = 'listen windlass' and datname = current_database()") == []
    )
    tasks = await fill(pooled, "quick", 1)
    wait_for(lambda: count(dsn, "outcome") == len(tasks), "the task to be found", 5)
    home.environ["WINDLASS_STORE_LISTEN_DSN"] = dsn
    home.serve()
    wait_for(lambda: len(ask(dsn, LISTENING)) == 1, "the second server to listen")


def test_a_pooler_that_was_denied_stops_the_start_and_is_named(home: Home) -> None:
    home.environ["WINDLASS_STORE_POOLER"] = "false"
    answer = home.run("serve", "--listen", "127.0.0.1:0")
    assert answer.returncode != 0
    assert "set store.pooler = true" in answer.stderr
