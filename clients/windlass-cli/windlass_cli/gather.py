"""Collects what `show` shows of one task: its card, its timeline, and the end of its output."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from windlass_client import NotFound, OutputWritten

from windlass_cli.card import FullCard

if TYPE_CHECKING:
    from windlass_client import Card, Client, Step

TAIL_BYTES = 16_384
QUIET_S = 0.3
"""A running task that says nothing for this long after its backlog has said all there is."""
LONGEST_S = 3.0


async def gather(client: Client, id: int) -> FullCard:
    """NotFound when there is no such task; one that still waits for its first attempt has no card."""
    card: Card | None = None
    with suppress(NotFound):
        card = await client.get_card(id)
    task = card.task if card else await client.get_task(id)
    steps: list[Step] = []
    with suppress(NotFound):
        steps = [step async for step in client.list_steps(id, page_size=1000)]
    output = await _end_of_output(client, id, task.attempt) if card else b""
    return FullCard(task, card, steps, output)


async def _end_of_output(client: Client, id: int, attempt: int) -> bytes:
    """The last bytes that the last attempt has written by now."""
    tail = bytearray()
    with suppress(TimeoutError):
        async with asyncio.timeout(LONGEST_S), aclosing(client.watch(id)) as events:
            while True:
                async with asyncio.timeout(QUIET_S if attempt else LONGEST_S):
                    event = await anext(events, None)
                if event is None:
                    break
                if isinstance(event, OutputWritten) and event.attempt == attempt:
                    tail += event.data
                    del tail[:-TAIL_BYTES]
    return bytes(tail)
