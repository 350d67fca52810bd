"""Executors with real servers: what remains of a killed one, and how a worn-out one starts anew."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.host.test_executors import gone
from tests.system.serving import Home, home_in, wait_for

PLUGIN = """
import asyncio, os, pathlib, subprocess, sys, time
import msgspec
from windlass import Graces, Handler, Interrupted, Success, hookimpl

class Trace(msgspec.Struct):
    file: str = ""

def leave(payload, *pids):
    fresh = pathlib.Path(payload.file + ".new")
    fresh.write_text(" ".join(map(str, pids)))
    fresh.replace(payload.file)

class DeafInline(Handler[Trace]):
    kind = "DeafInline"
    graces = Graces(ask=0.1, raise_=0.1, kill=0.1)

    async def run(self, ctx, payload):
        leave(payload, os.getpid())
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                continue

class DeafThread(Handler[Trace]):
    kind = "DeafThread"
    executor = "thread"
    graces = Graces(ask=0.1, raise_=0.1)

    def run(self, ctx, payload):
        leave(payload, os.getpid())
        time.sleep(3600)

class Isolated(Handler[Trace]):
    kind = "Isolated"

    def run(self, ctx, payload):
        if ctx.task.attempt > 1:
            return Success({"pid": os.getpid()})
        program = "import time; time.sleep(3600)"
        daemon = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
        leave(payload, os.getpid(), daemon.pid)
        time.sleep(3600)

@hookimpl
def windlass_register_handlers(settings):
    return [DeafInline(), DeafThread(), Isolated()]
"""


@pytest.fixture
def home(tmp_path: Path, dsn: str) -> Iterator[Home]:
    """A home whose servers use the test's database and a stranger's plugin."""
    site = tmp_path / "site"
    facts = site / "acme_deaf-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "acme_deaf.py").write_text(PLUGIN)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-deaf\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[windlass.plugins]\ndeaf = acme_deaf\n")
    with home_in(tmp_path, WINDLASS_STORE_DSN=dsn, PYTHONPATH=str(site)) as made:
        yield made


def enqueue(home: Home, kind: str, file: Path) -> str:
    payload = json.dumps({"file": str(file)})
    return home.run("enqueue", kind, "--payload", payload).stdout.split()[-1]


def interrupted_once_it_runs(home: Home, kind: str, file: Path) -> None:
    task = enqueue(home, kind, file)
    wait_for(file.exists, "the handler to begin")
    assert home.run("interrupt", task).returncode == 0
    wait_for(lambda: home.ask("show", task)["state"] == "CANCELED", "the task to end")
    assert "abandoned" in home.ask("show", task)["task"]["message"]


@pytest.mark.parametrize("kind", ["DeafInline", "DeafThread"])
def test_a_server_worn_out_by_abandoned_handlers_drains_and_replaces_itself(
    home: Home, tmp_path: Path, kind: str
) -> None:
    home.environ["WINDLASS_NODE_LEAK_LIMIT"] = "1"
    server = home.serve()
    log = tmp_path / "serve-0.log"
    interrupted_once_it_runs(home, kind, tmp_path / "first")
    assert log.read_text().count("is ready on") == 1, "one is within the limit"
    threads = len(list(Path(f"/proc/{server.pid}/task").iterdir()))
    task = enqueue(home, kind, tmp_path / "second")
    wait_for((tmp_path / "second").exists, "the handler to begin")
    home.run("interrupt", task)
    wait_for(lambda: log.read_text().count("is ready on") == 2, "the server to start anew", 30)
    assert server.poll() is None, "it is another process"
    assert home.ask("show", task)["state"] == "CANCELED"
    assert home.run("enqueue", "ExecuteScript", "--payload", '{"argv": ["true"]}').returncode == 0
    wait_for(lambda: home.ask("history")[0]["state"] == "COMPLETED", "the new server to work")
    if kind == "DeafThread":
        wait_for(lambda: len(list(Path(f"/proc/{server.pid}/task").iterdir())) < threads, "the threads to be gone")


@pytest.mark.parametrize("kind", ["DeafInline", "DeafThread"])
def test_an_abandoned_handler_does_not_keep_a_server_from_ending(home: Home, tmp_path: Path, kind: str) -> None:
    server = home.serve()
    interrupted_once_it_runs(home, kind, tmp_path / "trace")
    server.send_signal(signal.SIGTERM)
    assert server.wait(timeout=10) == 0


def test_kill_9_of_a_server_ends_its_workers_and_all_they_started(home: Home, tmp_path: Path) -> None:
    server = home.serve()
    trace = tmp_path / "trace"
    task = enqueue(home, "Isolated", trace)
    wait_for(trace.exists, "the handler to begin")
    pids = [int(pid) for pid in trace.read_text().split()]
    assert len(pids) == 2
    assert not any(map(gone, pids))
    server.kill()
    server.wait()
    wait_for(lambda: all(map(gone, pids)), "the worker and its daemon to be gone", 5)
    home.serve()
    wait_for(lambda: home.ask("show", task)["state"] == "COMPLETED", "the task to run again", 20)
