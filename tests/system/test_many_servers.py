"""Several servers on one database, and a plugin from outside the repository."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from windlass.store.postgres import open_store

from tests.contract.facts import new_task
from tests.system.serving import Home, home_in, wait_for

PLUGIN = """
import os
import msgspec
from windlass import Handler, Success, hookimpl

LEDGER = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

class Note(msgspec.Struct):
    text: str = "-"

class WriteNote(Handler[Note]):
    kind = "WriteNote"

    async def run(self, ctx, payload):
        os.write(LEDGER, f"{ctx.task.id} {os.getpid()} {payload.text}\\n".encode())
        return Success({"noted": payload.text})

@hookimpl
def windlass_register_handlers(settings):
    return [WriteNote()]
"""
PROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "acme-notes"
version = "1.0"
[project.entry-points."windlass.plugins"]
notes = "acme_notes"
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stranger's plugin, built and installed by pip as anyone would."""
    source, target = tmp_path_factory.mktemp("acme"), tmp_path_factory.mktemp("site")
    (source / "pyproject.toml").write_text(PROJECT)
    (source / "acme_notes.py").write_text(PLUGIN)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True)
    return target


def shares(dsn: str) -> list[int]:
    with psycopg.connect(dsn) as connection:
        return [row[0] for row in connection.execute("select slots from windlass.pool_share where pool = 'default'")]


def notes(home: Home) -> list[list[str]]:
    ledger = Path(home.environ["LEDGER"])
    return [line.split() for line in ledger.read_text().splitlines()] if ledger.exists() else []


def test_a_plugin_from_outside_is_found_and_runs(tmp_path: Path, dsn: str, installed: Path) -> None:
    environ = {"WINDLASS_STORE_DSN": dsn, "PYTHONPATH": str(installed), "LEDGER": str(tmp_path / "ledger")}
    with home_in(tmp_path, **environ) as home:
        home.serve()
        answer = home.run("enqueue", "WriteNote", "--payload", json.dumps({"text": "hello"}), "--wait")
        assert answer.returncode == 0, answer.stderr
        assert [line[2] for line in notes(home)] == ["hello"]


async def test_two_servers_drain_20_000_tasks_and_run_each_once(tmp_path: Path, dsn: str, installed: Path) -> None:
    environ = {"WINDLASS_STORE_DSN": dsn, "PYTHONPATH": str(installed), "LEDGER": str(tmp_path / "ledger")}
    with home_in(tmp_path, **environ) as home:
        home.serve()
        home.serve()
        # Each has its share of the slots before there is work, or the first would be done with it.
        wait_for(lambda: shares(dsn) == [20, 20], "both servers to have their share", 30)
        store = await open_store(dsn, connections=2)
        for _ in range(20):
            await store.queue.enqueue([new_task(kind="WriteNote", payload="{}")] * 1_000)
        await store.close()
        wait_for(lambda: count(dsn, "outcome") == 20_000, "all tasks to end", 60)
    executions = [line[0] for line in notes(home)]
    assert len(executions) == len(set(executions)) == 20_000
    assert len({line[1] for line in notes(home)}) == 2, "one of the servers did nothing"
    assert (count(dsn, "ready"), count(dsn, "running"), count(dsn, "attempt")) == (0, 0, 0)


def count(dsn: str, table: str) -> int:
    with psycopg.connect(dsn) as connection:
        row = connection.execute(f"select count(*) from windlass.{table}".encode()).fetchone()
    assert row is not None
    return int(row[0])
