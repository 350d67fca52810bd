"""A node process for the measurements: `python -m bench.node DSN drain N` or `… serve`.

drain: runs until N tasks are recorded as done, and prints one JSON line.  serve: prints its address, then the delays
it saw when its standard input closes; serve-paused: the same, but it runs nothing of what it is given.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop
from windlass.config import LogConfig, NodeConfig
from windlass.control.server import Server
from windlass.host.kernel import Kernel
from windlass.host.plugins import load_plugins
from windlass.main import calm_collector
from windlass.store.postgres import open_store
from windlass.telemetry.logs import set_up_logging

from bench.noop import NoopPlugin

TOKEN = "bench"  # noqa: S105 - it guards a server that lives for seconds


async def drain(kernel: Kernel, plugin: NoopPlugin, tasks: int) -> None:
    """Time from the first call of a handler to the last result recorded."""
    while plugin.handler.calls < tasks:  # noqa: ASYNC110 - an event would cost what is measured
        await asyncio.sleep(0.005)
    await kernel.node.completer.settled()
    seconds = time.perf_counter() - plugin.handler.first
    print(json.dumps({"seconds": seconds, "calls": plugin.handler.calls}), flush=True)


async def drain_shared(kernel: Kernel, plugin: NoopPlugin, tasks: int) -> None:
    """The same beside another node: until nothing has come for a second."""
    calls = -1
    while calls != plugin.handler.calls or not calls:
        calls, last = plugin.handler.calls, time.time()
        await asyncio.sleep(1)
    first = time.time() - (time.perf_counter() - plugin.handler.first)
    print(json.dumps({"first": first, "last": last, "calls": calls}), flush=True)


async def serve(kernel: Kernel, plugin: NoopPlugin) -> None:
    """Serve gRPC until standard input closes; what it says is how many tasks to wait for."""
    server = Server(kernel, TOKEN)
    print(await server.start("127.0.0.1:0"), flush=True)
    expected = int(await asyncio.to_thread(sys.stdin.read) or 0)
    while plugin.handler.calls < expected:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.01)
    await server.stop(1)
    print(json.dumps({"delays": plugin.handler.delays, "calls": plugin.handler.calls}), flush=True)


async def main(dsn: str, mode: str, tasks: int) -> None:
    set_up_logging(LogConfig(level="warning"))
    plugin = NoopPlugin()
    store = await open_store(dsn)
    kernel = Kernel(store, load_plugins({}, {"noop": plugin}, installed=False), NodeConfig())
    calm_collector()
    await kernel.start()
    if mode == "serve-paused":
        await kernel.valves.pause_pool("default", "bench")
    modes = {"drain": drain, "drain-shared": drain_shared}
    await (modes[mode](kernel, plugin, tasks) if mode in modes else serve(kernel, plugin))
    await kernel.drain()
    await kernel.stop()
    await store.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 0))
