"""Collects what `show` shows of one task: card, timeline, and the end of its output."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from windlass_cli.card import FullCard

if TYPE_CHECKING:
    from windlass_client import Card, Client, OutputWritten

TAIL_BYTES = 16_384
QUIET_S = 0.3
"""A running task whose backlog was read says nothing for this long: what it has said is all there is."""
LONGEST_S = 3.0


async def gather(client: Client, id: int) -> FullCard:
    """NotFound when there is no such task."""
    from windlass_client import NotFound

    card: Card | None = None
    try:
        card = await client.get_card(id)
    except NotFound:
        task = await client.get_task(id)
        if task.attempt == 0 and not task.state.final:
            return FullCard(task, None, [step async for step in _steps(client, id)], b"")
    task = card.task if card else task
    steps = [step async for step in client.list_steps(id, page_size=1000)]
    return FullCard(task, card, steps, await _tail(client, id, task.attempt))
