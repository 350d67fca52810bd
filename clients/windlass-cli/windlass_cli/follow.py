"""Follows one task to its end; the task's outcome becomes the exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import aclosing
from typing import TYPE_CHECKING

from windlass_client import State, StateChanged, WindlassError

from windlass_cli.exits import CANCELED, SUCCESS, TASK_FAILED, failure_of
from windlass_cli.harmless import one_line

if TYPE_CHECKING:
    from windlass_client import Client

    from windlass_cli.views import View

OUTCOMES = {State.COMPLETED: SUCCESS, State.CANCELED: CANCELED}


async def follow(client: Client, id: int, view: View) -> int:
    """The exit code of the outcome: completed 0, canceled 130, anything else 1.  Ctrl-C leaves the task as it is."""
    code = TASK_FAILED
    try:
        async with aclosing(client.watch(id, on_outage=lost)) as events:
            async for event in events:
                view.show(event)
                if isinstance(event, StateChanged):
                    code = OUTCOMES.get(event.state, TASK_FAILED)
    finally:
        view.close()
    return code


async def own(client: Client, id: int, view: View) -> int:
    """As follow, for a task that this command made: the first Ctrl-C interrupts it, the second one leaves."""
    following = asyncio.create_task(follow(client, id, view))
    interrupts: list[asyncio.Task[None]] = []

    def pressed() -> None:
        if interrupts:
            following.cancel()
        else:
            interrupts.append(asyncio.create_task(_interrupt(client, id)))

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, pressed)
    try:
        return await following
    except asyncio.CancelledError:
        _tell(f"left; task {id} is still being interrupted")
        return CANCELED
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        for interrupt in interrupts:
            interrupt.cancel()


async def _interrupt(client: Client, id: int) -> None:
    _tell(f"interrupting task {id} (Ctrl-C again leaves at once)")
    try:
        await client.interrupt(id, "Ctrl-C")
    except WindlassError as error:
        _tell(f"error: {failure_of(error).message}")


def lost(error: WindlassError) -> None:
    """What whoever follows something is told when an outage begins."""
    _tell("lost the server, looking for it again")


def _tell(text: str) -> None:
    print(f"· {one_line(text)}", file=sys.stderr, flush=True)
