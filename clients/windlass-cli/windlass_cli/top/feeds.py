"""What brings news from the server to the board, each until it is cancelled; an outage is told, and outlived."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from windlass_client import NotFound, Unavailable, WindlassError

if TYPE_CHECKING:
    from windlass_client import Card, Client, Gate, Task

    from windlass_cli.top.board import Board
    from windlass_cli.top.followed import Followed

ROWS = 200
"""Of the queue, and of the history: more than a screen; for more there are filters."""
HISTORY_EVERY_S = 2.0
EXPLAINED_EVERY_S = 2.0
AFTER_TROUBLE_S = 2.0


async def feed_overview(client: Client, board: Board) -> None:
    while True:
        try:
            pictures = client.overview.watch(on_outage=lambda error: board.trouble("overview", error))
            async with aclosing(pictures):
                async for picture in pictures:
                    board.draw(picture)
        except WindlassError as error:
            board.trouble("overview", error)
        await asyncio.sleep(AFTER_TROUBLE_S)


async def feed_queue(client: Client, board: Board) -> None:
    while True:
        board.begin_queue()
        try:
            changes = client.watch_queue(
                filter=board.queue_filter,
                page_size=ROWS,
                on_outage=lambda error: board.trouble("queue", error),
            )
            async with aclosing(changes):
                async for change in changes:
                    board.change(change)
        except WindlassError as error:
            board.trouble("queue", error)
        await asyncio.sleep(AFTER_TROUBLE_S)


async def feed_history(client: Client, board: Board) -> None:
    while True:
        try:
            page = await client.card_page(filter=board.history_filter, page_size=ROWS)
            board.tell_history(page.items)
        except WindlassError as error:
            board.trouble("history", error)
        await asyncio.sleep(HISTORY_EVERY_S)


async def feed_details(client: Client, board: Board, followed: Followed) -> None:
    """To the task's last event, and what is true of it then."""
    changed = asyncio.Event()
    changed.set()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(_read_when(changed, client, board, followed))
        await _take_events(changed, client, board, followed)
        reading.cancel()
    with suppress(WindlassError):
        followed.learn(*await _facts(client, followed.id))
    board.is_stale = True


async def _take_events(changed: asyncio.Event, client: Client, board: Board, followed: Followed) -> None:
    while True:
        try:
            async with aclosing(client.watch(followed.id, followed.last)) as events:
                async for event in events:
                    if followed.take(event):
                        changed.set()
                    board.is_stale = True
            return
        except Unavailable as error:
            followed.trouble = error.message
            changed.set()  # what has changed meanwhile is read once that is possible
            await asyncio.sleep(AFTER_TROUBLE_S)
        except WindlassError as error:
            followed.trouble = error.message
            return


async def _read_when(changed: asyncio.Event, client: Client, board: Board, followed: Followed) -> None:
    """When its state has changed; while it waits, also now and then: what holds it back has no events."""
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(EXPLAINED_EVERY_S if followed.waits else None):
                await changed.wait()
        changed.clear()
        try:
            followed.learn(*await _facts(client, followed.id))
            followed.trouble = ""
        except WindlassError as error:
            followed.trouble = error.message
            changed.set()
            await asyncio.sleep(AFTER_TROUBLE_S)
        board.is_stale = True


async def _facts(client: Client, id: int) -> tuple[Task, Card | None, list[Gate]]:
    """The card is None before the first attempt; the gates are empty when it does not wait."""
    card: Card | None = None
    with suppress(NotFound):
        card = await client.get_card(id)
    task = await client.get_task(id) if card is None or not card.task.state.final else card.task
    gates = await client.explain(id) if task.state == "PENDING" else []
    return task, card, gates
