"""The composition root of an agent, as windlass/main.py is that of a server."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from windlass import telemetry
from windlass.config import NodeConfig
from windlass.host.plugins import load_plugins
from windlass.host.process import tell_supervisor, this_process

from windlass_agent.agent import Agent
from windlass_agent.place import Place

log = structlog.get_logger()

LAST_TURN = 0.2


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
    stop = _stop_on_signals()
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
    await _leave_behind()


async def _serve(agent: Agent, stop: asyncio.Event, on_ready: Callable[[], None]) -> None:
    for service in agent.services:
        service.start()
    joined = asyncio.create_task(_ready(agent, on_ready))
    try:
        await _first(stop, agent.worn_out, agent.refused)
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


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def _leave_behind() -> None:
    """End the process although handlers ignore being cancelled: the loop's own end would wait for them for ever."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left and (stubborn := (await asyncio.wait(left, timeout=LAST_TURN))[1]):
        log.warning("leaving although some tasks ignore being cancelled", tasks=len(stubborn))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            log.warning("asked twice, leaving at once; recovery takes the tasks back")
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked)
    return stop
