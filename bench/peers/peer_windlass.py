"""Windlass beside its peers: `PYTHONPATH=<harness> python peer_windlass.py drain --n 300000`.

The peers' harness brings `common` and the command line.  --concurrency is the pool's slots.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import psycopg
from common import PG_DSN, Peer, main, mark, pg_reset, run  # type: ignore[import-not-found]
from windlass import Context, Handler, Outcome, Settings, Success, hookimpl
from windlass.config import LogConfig, NodeConfig
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.main import calm_collector
from windlass.store.facts import NewTask
from windlass.store.postgres import PostgresStore, open_store
from windlass.telemetry.logs import set_up_logging


class Stamp(msgspec.Struct):
    t0: int = 0


class Noop(Handler[Stamp]):
    kind = "Noop"

    async def run(self, ctx: Context, payload: Stamp) -> Outcome:
        mark(payload.t0)
        return Success()


class Plugin:
    @hookimpl
    def windlass_register_handlers(self, settings: Settings) -> Iterable[Handler[Any]]:
        return [Noop()]


def task(t0: int) -> NewTask:
    return NewTask("Noop", "hello", 5, "default", "bench", 2, "bench", "{}", f'{{"t0":{t0}}}', 10, 30.0)


class Windlass(Peer):  # type: ignore[misc]
    name, dists = "windlass", ("windlass-kernel", "psycopg")
    batch_note = "Queue.enqueue with a list, one transaction, through the store"

    def setup(self) -> None:
        pg_reset("windlass")

        async def migrate() -> None:
            await (await open_store(PG_DSN)).close()

        run(migrate())

    async def open(self) -> None:
        self.store: PostgresStore = await open_store(PG_DSN, connections=2)

    async def close(self) -> None:
        await self.store.close()

    async def enqueue(self, t0: int) -> None:
        await self.store.queue.enqueue_each([task(t0)])

    async def enqueue_batch(self, n: int) -> None:
        await self.store.queue.enqueue([task(0)] * n)

    def worker_cmds(self, procs: int, concurrency: int) -> list[list[str]]:
        me = str(Path(__file__).resolve())
        return [[sys.executable, me, "worker", "--concurrency", str(concurrency)] for _ in range(procs)]

    def worker(self, concurrency: int) -> None:
        run(_work(concurrency))

    def finished(self, n: int) -> bool:
        with psycopg.connect(PG_DSN) as connection:
            row = connection.execute("select count(*) from windlass.outcome where state = 4").fetchone()
        return row is not None and row[0] >= n


async def _work(slots: int) -> None:
    set_up_logging(LogConfig(level="warning"))
    store = await open_store(PG_DSN)
    plugins = load_plugins({}, {"bench": Plugin()}, installed=False)
    kernel = Kernel(store, plugins, NodeConfig(pools={"default": slots}))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    calm_collector()
    await kernel.start()
    await stop.wait()
    await kernel.drain()
    await kernel.stop()
    await store.close()


if __name__ == "__main__":
    main(Windlass())
