"""A server with much in it, and a console before it, each a process; and somebody who has signed in."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlencode, urlsplit

import psutil
import psycopg
from windlass_client import SyncClient

from bench.measures import settle

WINDLASS = str(Path(sys.executable).with_name("windlass"))
STEP = 1_000_000
READY_SECONDS = 60.0

FILL_HISTORY = """
with made as (
  insert into windlass.task
    (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload, created_at)
  select n, (array['ExecuteScript', 'Check', 'Backup', 'Ping'])[1 + n %% 4], 'Report ' || n, n %% 15, 'default',
         'bench', 1 + n %% 2, 'person-' || n %% 50, jsonb_build_object('tenant', 't' || n %% 100), '{"script": "true"}',
         now() - (%(all)s - %(done)s - n + %(first)s) * interval '20 days' / %(all)s
  from generate_series(%(first)s, %(first)s + %(rows)s - 1) as n
  returning id, kind, priority, origin, created_at
)
insert into windlass.outcome
  (id, state, priority, kind, origin, attempt, uncounted, verdict, node, started_at, ended_at, message)
select id, case when id %% 20 = 0 then 5 when id %% 50 = 1 then 6 else 4 end, priority, kind, origin, 1, 0,
       case when id %% 20 = 0 then 3 when id %% 50 = 1 then 5 else 2 end, 1,
       created_at, created_at + interval '2 seconds',
       case when id %% 20 = 0 then 'exit code 1' else '' end
from made
"""
FILL_WAITING = """
with made as (
  insert into windlass.task (id, kind, title, priority, pool, trigger, origin, initiator, labels, payload)
  select nextval('windlass.task_id'), 'ExecuteScript', 'Report ' || n, n %% 15, 'default', 'bench', 1 + n %% 2,
         'person-' || n %% 50, '{}', '{"script": "true"}'
  from generate_series(1, %(rows)s) as n returning id, priority, origin
)
insert into windlass.ready (id, kind, pool, priority, next_try_at, attempt, uncounted, origin)
select id, 'ExecuteScript', 'default', priority, now(), 0, 0, origin from made
"""

COUNT = b"select (select count(*) from windlass.outcome), (select count(*) from windlass.ready)"


@dataclass(frozen=True)
class Site:
    """`task` has run, with output.  `cookie` is of somebody who may everything."""

    url: str
    cookie: str
    task: int
    address: str
    token: str
    console: psutil.Process
    probes: str

    def line(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)

    @property
    def headers(self) -> dict[str, str]:
        return {"cookie": self.cookie, "accept-encoding": "gzip"}

    def streams(self) -> int:
        """How many streams the server has open."""
        line = http.client.HTTPConnection(self.probes, timeout=10)
        line.request("GET", "/metrics")
        found = re.search(r"^windlass_streams_open(?:{[^}]*})? (\d+)", line.getresponse().read().decode(), re.MULTILINE)
        line.close()
        assert found is not None, "the server has no windlass_streams_open"
        return int(found[1])


@contextmanager
def stocked(dsn: str, home: Path, *, history: int, waiting: int) -> Iterator[Site]:
    """So many that have ended, and so many that wait in a pool that is paused."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        probes = f"127.0.0.1:{free.getsockname()[1]}"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("WINDLASS_")}
    environ |= {"WINDLASS_HOME": str(home), "WINDLASS_STORE_DSN": dsn, "WINDLASS_SERVER_PROBES": probes}
    with _process(environ, home, "serve", "is ready on"):
        [place] = (home / "run").glob("server-*.json")
        address, token = str(json.loads(place.read_text())["address"]), (home / "token").read_text().strip()
        with SyncClient.connect(address, token) as client:
            task = _one_that_ran(client)
            client.cluster.pause_pool("default", "bench")
        fill(dsn, history, waiting)
        with _process(environ, home, "console", "ready on ") as (console, said):
            url = said.split("ready on ")[1].split()[0].rstrip("/")
            yield Site(url, _signed_in(url, token), task, address, token, console, probes)


def fill(dsn: str, history: int, waiting: int) -> None:
    """The history goes back over twenty days; its newest and what waits are of now."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for done in range(0, history, STEP):
            rows = min(STEP, history - done)
            row = connection.execute("select nextval('windlass.task_id')").fetchone()
            assert row is not None
            facts = {"first": row[0], "rows": rows, "done": done, "all": history}
            connection.execute(FILL_HISTORY.encode(), facts)
            connection.execute("select setval('windlass.task_id', %s)", [row[0] + rows])
        connection.execute(FILL_WAITING.encode(), {"rows": waiting})
        counted = connection.execute(COUNT).fetchone()
        assert counted is not None
        assert counted[0] >= history, f"only {counted[0]:,} have ended"
        assert counted[1] >= waiting, f"only {counted[1]:,} wait"
    settle(dsn)


def _one_that_ran(client: SyncClient) -> int:
    handle = client.enqueue("ExecuteScript", {"script": "seq 1 2000"}, title="Counts to 2,000")
    handle.result(timeout=60)
    return handle.id


@contextmanager
def _process(environ: dict[str, str], home: Path, command: str, words: str) -> Iterator[tuple[psutil.Process, str]]:
    """A command that goes on, and what it said when it was ready."""
    home.mkdir(exist_ok=True)
    with (home.parent / f"{command}.log").open("w+") as log:
        listen = [WINDLASS, command, "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(listen, env=environ, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield psutil.Process(process.pid), _ready(process, log, words)
        finally:
            process.terminate()
            process.wait(60)


def _ready(process: subprocess.Popen[bytes], log: IO[str], words: str) -> str:
    end = time.monotonic() + READY_SECONDS
    while words not in (said := Path(log.name).read_text()):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"not ready: {said}")
        time.sleep(0.05)
    return said


def _signed_in(url: str, token: str) -> str:
    """The cookie."""
    line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    headers = {"origin": url, "content-type": "application/x-www-form-urlencoded"}
    line.request("POST", "/sign-in", urlencode({"token": token}), headers)
    answer = line.getresponse()
    cookie = answer.headers.get("set-cookie", "").split(";")[0]
    line.close()
    assert answer.status == 303, f"signing in was answered with {answer.status}"
    return cookie
