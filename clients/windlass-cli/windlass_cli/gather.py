"""Collects what `show` shows of one task: its card, its timeline, and the end of its output."""

from __future__ import annotations

from contextlib import aclosing, suppress
from typing import TYPE_CHECKING

from windlass_client import NotFound

from windlass_cli.card import TAIL_BYTES, FullCard

if TYPE_CHECKING:
    from windlass_client import Card, Client, Step


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
    with suppress(NotFound):
        async with aclosing(client.read_output(id, attempt=attempt)) as chunks:
            async for chunk in chunks:
                tail += chunk.data
                del tail[:-TAIL_BYTES]
    return bytes(tail)
