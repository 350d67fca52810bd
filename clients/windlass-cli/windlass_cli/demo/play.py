"""Plays the demo: a server, five tasks, what became of them, and then it leaves everything tidy."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import sysconfig
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import TypeVar

from windlass_client import Client, WindlassError
from windlass_client.consoles import console_link
from windlass_client.discovery import Announced, find_server

from windlass_cli.commands.show import print_card
from windlass_cli.demo.acts import ACTS, KIND, Part
from windlass_cli.demo.buffered import Writes, going_on, prepared
from windlass_cli.demo.pages import show_pages
from windlass_cli.demo.serving import home_of_the_demo, serving
from windlass_cli.demo.stages import PanelStage, PlainStage, Stage
from windlass_cli.exits import CANCELED, SUCCESS, TASK_FAILED, failure_of
from windlass_cli.options import Format
from windlass_cli.printing import print_list, take
from windlass_cli.work import CARDS

T = TypeVar("T")

ENDED_WITHIN_S = 120.0
READY_WITHIN_S = 30.0
INTERRUPTED_WITHIN_S = 3.0
CARD_OF = "flaky"


class Stopped(Exception):
    """Somebody wants the demo to end."""


async def play(*, terminal: bool) -> int:
    """The exit code: 0, 1 when a task did not end as it should, 130 when it was stopped before they ended."""
    stop = _stop_on_signals()
    home = home_of_the_demo()
    print(f"Starting a Windlass server of its own, with its data in {home} …", flush=True)
    try:
        async with prepared(home) as writes, serving(home) as server:
            token = find_server(server.address, None, {"WINDLASS_HOME": str(home)}).token
            await _show_console(server, token)
            async with Client.connect(server.address, token) as client, going_on(writes):
                return await _play_with(client, home, stop, writes, terminal=terminal)
    except WindlassError as error:
        raise failure_of(error) from error
    except Stopped:
        return CANCELED
    finally:
        print("The server has ended.", flush=True)


async def _show_console(server: Announced, token: str) -> None:
    if server.console:
        with suppress(WindlassError):  # without a console the demo goes on
            link = await asyncio.to_thread(console_link, server.console, token)
            print(f"Watch it in a browser (the link signs you in, once): {link}", flush=True)


async def _play_with(client: Client, home: Path, stop: asyncio.Event, writes: Writes | None, *, terminal: bool) -> int:
    await _unless(stop, client.ready(READY_WITHIN_S))
    print(f"It is ready on {client.address}. Five real scripts run on it now:\n", flush=True)
    if writes:
        writes.begin(client)
    parts = await _unless(stop, perform(client, PanelStage if terminal else PlainStage))
    await _unless(stop, _look_back(client, parts))
    problems = [f"{part.act.title} (task {part.id}) {part.problem()}" for part in parts if part.problem()]
    if writes and (problem := await _unless(stop, writes.tell())):
        problems.append(problem)
    print("\n" + ("\n".join(problems) if problems else "All five ended as they should."), flush=True)
    if trouble := await _unless(stop, show_pages(client)):
        print(f"\n{trouble}", flush=True)
        problems.append(trouble)
    if terminal:
        _say_what_next(home)
        await stop.wait()
    return TASK_FAILED if problems else SUCCESS


async def perform(client: Client, stage_for: Callable[[Sequence[Part]], Stage]) -> list[Part]:
    """Enqueues every act and follows them all to their end, or for as long as that may take."""
    handles = await client.enqueue_batch([act.task() for act in ACTS])
    parts = [Part(act, handle.id) for act, handle in zip(ACTS, handles, strict=True)]
    try:
        with stage_for(parts) as stage:
            async with asyncio.timeout(ENDED_WITHIN_S):
                await asyncio.gather(*(_follow(client, part, stage) for part in parts))
    except TimeoutError:
        print(f"\nNot everything ended within {ENDED_WITHIN_S:g} s.", flush=True)
    finally:
        await _interrupt_the_rest(client, parts)
    return parts


async def _interrupt_the_rest(client: Client, parts: Sequence[Part]) -> None:
    """So that nothing of it goes on when the server is started again, and the server need not wait for it now."""
    rest = [client.interrupt(part.id, "the demo was stopped") for part in parts if not part.state.final]
    with suppress(TimeoutError):
        async with asyncio.timeout(INTERRUPTED_WITHIN_S):
            await asyncio.gather(*rest, return_exceptions=True)


async def _follow(client: Client, part: Part, stage: Stage) -> None:
    interrupted = not part.act.interrupt_behind
    async with aclosing(client.watch(part.id)) as events:
        async for event in events:
            stage.changed(part, part.take(event, time.monotonic()))
            if not interrupted and part.lines >= part.act.interrupt_behind:
                interrupted = True
                await client.interrupt(part.id, "the demo stops it on its way")


async def _look_back(client: Client, parts: Sequence[Part]) -> None:
    print("\nThe history now (windlass history):\n", flush=True)
    cards = await take(client.list_cards(filter=f'kind = "{KIND}"', page_size=len(parts)), len(parts))
    print_list(cards, CARDS, Format.table)
    chosen = next(part for part in parts if part.act.name == CARD_OF)
    print(f"\nOne card of it (windlass show {chosen.id}):\n", flush=True)
    await print_card(client, chosen.id, Format.table)


def _say_what_next(home: Path) -> None:
    path = "" if shutil.which("windlass") else f"\n  export PATH={sysconfig.get_path('scripts')}:$PATH"
    print(
        f"""
The server stays up until Ctrl-C. In another terminal, try:
{path}
  export WINDLASS_HOME={home}
  windlass console link                the console in a browser, signed in
  windlass history                     what became of the tasks
  echo date | windlass run-script -    run something of your own, live
  windlass enqueue ExecuteScript --payload '{{"script": "sleep 600"}}'
  windlass active                      what runs and what waits
  windlass entities show DE            the page of another country
  windlass interrupt ID                stop it
  windlass show ID                     its card, with its timeline""",
        flush=True,
    )


def _stop_on_signals() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _stop, stop)
    return stop


def _stop(stop: asyncio.Event) -> None:
    if not stop.is_set():
        print("\nStopping the server …", file=sys.stderr, flush=True)
        stop.set()


async def _unless(stop: asyncio.Event, work: Awaitable[T]) -> T:
    """The result of the work; Stopped when somebody stops the demo first."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Stopped
        return working.result()
    finally:
        for each in (working, stopping):
            each.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
