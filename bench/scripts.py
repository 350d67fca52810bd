"""How many scripts a node starts in a second, at each level of confinement.

As a program, `python -m bench.scripts DSN`, it is the node: it runs scripts until its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg
import uvloop
import windlass_scripts
from windlass.config import LogConfig, NodeConfig
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.main import calm_collector
from windlass.store.facts import NewTask
from windlass.store.postgres import open_store
from windlass.telemetry.logs import set_up_logging

from bench.measures import Row, settle

AT_ONCE = 8
ENDED = """
select count(*), extract(epoch from max(ended_at) - min(started_at))::float
from windlass.outcome where result->>'confinement' = %s and result->>'exit_code' = '0'
"""


def scripts(dsn: str, count: int = 200) -> list[Row]:
    """So many `true` in `sh`, which wait already; from the first one's start to the last one's end."""
    return [_at_level(dsn, level, count) for level in ("basic", "confined", "strict")]


MEASURES: dict[str, Callable[[str], list[Row]]] = {"scripts": scripts}


def _at_level(dsn: str, level: str, count: int) -> Row:
    asyncio.run(_seed(dsn, level, count))
    settle(dsn)
    command = [sys.executable, "-m", "bench.scripts", dsn]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as node, psycopg.connect(dsn, autocommit=True) as connection:
        deadline = time.monotonic() + 120
        ended, seconds = 0, 0.0
        while ended < count and time.monotonic() < deadline:
            time.sleep(0.05)
            row = connection.execute(ENDED, [level]).fetchone()
            assert row is not None
            ended, seconds = row
        node.communicate()
    assert ended == count, f"{ended} of {count} scripts succeeded at {level} in 120 s"
    return Row(f"starts of scripts, {level}, {AT_ONCE} at once", count / seconds, "scripts/s", "with history")


async def _seed(dsn: str, level: str, count: int) -> None:
    store = await open_store(dsn)
    payload = json.dumps({"script": "true", "confinement": level})
    task = NewTask("ExecuteScript", "true", 5, "default", "bench", 2, "bench", "{}", payload)
    await store.queue.enqueue([task] * count)
    await store.close()


async def _serve(dsn: str) -> None:
    set_up_logging(LogConfig(level="warning"))
    store = await open_store(dsn)
    plugins = load_plugins({}, {"scripts": windlass_scripts}, installed=False)
    kernel = Kernel(store, plugins, NodeConfig(pools={"default": AT_ONCE}))
    calm_collector()
    await kernel.start()
    await asyncio.to_thread(sys.stdin.read)
    await kernel.drain()
    await kernel.stop()
    await store.close()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
