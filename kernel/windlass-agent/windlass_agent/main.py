"""The composition root of an agent, as windlass/main.py is that of a server."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from windlass import telemetry
from windlass.config import NodeConfig
from windlass.host.ending import first, leave_behind, stop_on_signals
from windlass.host.plugins import load_plugins
from windlass.host.process import tell_supervisor, this_process

from windlass_agent.agent import Agent
from windlass_agent.place import Place

log = structlog.get_logger()


class AgentConfig(msgspec.Struct, frozen=True):
    """`slots`: how much is taken of each pool, its own first; `plugins`: their sections of the configuration."""

    id: str
    place: Place
    slots: dict[str, int]
    labels: dict[str, str]
    node: NodeConfig
    plugins: Mapping[str, Mapping[str, Any]]


async def run(config: AgentConfig, on_ready: Callable[[str], None]) -> None:
    """Run one agent until SIGTERM, SIGINT or SIGHUP; a second signal ends it at once.

    Raises `BootError`, or what the kernel refused it with.  One that is worn out by abandoned handlers drains, and the
    process replaces itself.
    """
    stop = stop_on_signals((signal.SIGTERM, signal.SIGINT, signal.SIGHUP))
    config.place.check()
    plugins = load_plugins(config.plugins)
    telemetry.start(os.environ, this_process(()).name, measure=False)
    agent = Agent(config.id, config.place, plugins, config.node, config.slots, config.labels)
    agent.session.unreachable = lambda: tell_supervisor("READY=1")
    try:
        await _serve(agent, stop, lambda: on_ready(f"agent {config.id} is ready: it serves {', '.join(config.slots)}"))
    finally:
        await plugins.close_executors()
        plugins.shutdown()
        await asyncio.to_thread(telemetry.stop)
    if agent.refusal is not None:
        raise agent.refusal
    if agent.leaks and not stop.is_set():
        log.warning("starting anew, without the handlers that were abandoned", leaks=agent.leaks)
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    await leave_behind()


async def _serve(agent: Agent, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
    for service in agent.services:
        service.start()
    joined = asyncio.create_task(_ready(agent, on_ready))
    try:
        await first(stop, agent.worn_out, agent.refused)
        log.info("stopping")
        tell_supervisor("STOPPING=1")
        await agent.drain()
    finally:
        joined.cancel()
        await agent.leave()
        await asyncio.gather(*(service.stop() for service in reversed(agent.services)))


async def _ready(agent: Agent, on_ready: Callable[[], None]) -> None:
    await agent.joined.wait()
    tell_supervisor("READY=1")
    on_ready()
