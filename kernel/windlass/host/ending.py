"""How a process of ours is told to end, and ends: a server's and an agent's."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Iterable

import structlog

log = structlog.get_logger()

LAST_TURN = 0.2


def stop_on_signals(numbers: Iterable[signal.Signals] = (signal.SIGTERM, signal.SIGINT)) -> asyncio.Event:
    """Set at the first of these signals; the second ends the process at once."""
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            log.warning("asked twice, leaving at once; recovery takes the tasks back")
            os._exit(1)
        stop.set()

    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, asked)
    return stop


async def first(*events: asyncio.Event) -> None:
    """Wait until one of them is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in waiting:
        task.cancel()


async def leave_behind() -> None:
    """End the process although handlers ignore being cancelled: the loop's own end would wait for them for ever."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    if left and (stubborn := (await asyncio.wait(left, timeout=LAST_TURN))[1]):
        log.warning("leaving although some tasks ignore being cancelled", tasks=len(stubborn))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(0)
