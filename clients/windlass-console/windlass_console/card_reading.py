"""Everything that a card shows of one task, from the server and made ready for people."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from windlass_client import Card, Client, Gate, Joined, NotFound, PermissionDenied, State, Step, Task

from windlass_console.masking import marked_names, masked
from windlass_console.rendering import called
from windlass_console.timeline import Section, sections

PAGE = 1000
MOST_STEPS = 5000
SCHEMA_SECONDS = 60.0

_marks: dict[str, tuple[float, frozenset[str]]] = {}


@dataclass(frozen=True, slots=True)
class Reading:
    """`sequence` is that of the newest line: a watch goes on behind it.  `more`: there are lines beyond MOST_STEPS."""

    task: Task
    title: str
    joined: tuple[Joined, ...]
    sections: list[Section]
    gates: list[Gate]
    sequence: int
    more: bool
    begin: datetime | None
    seconds: float | None

    @property
    def final(self) -> bool:
        return self.task.state.final

    @property
    def trace_id(self) -> str:
        parts = self.task.trace.traceparent.split("-") if self.task.trace else []
        return parts[1] if len(parts) > 1 else ""


async def read(client: Client, id: int, *, whole: bool = False) -> Reading:
    """NotFound when there is no such task.  `whole`: with every line of its timeline."""
    # The lines first: then the card is at least as new as they are, and a watch behind the last of them misses nothing.
    steps, more = await _steps(client, id)
    (task, card), gates = await asyncio.gather(_card(client, id), client.explain(id))
    now = datetime.now(UTC)
    attempts = card.attempts if card else ()
    begin = attempts[0].started if attempts else task.started
    return Reading(
        task=task,
        title=called(task),
        joined=card.joined if card else (),
        sections=sections(attempts, steps, now, whole=whole),
        gates=gates if task.state is State.PENDING else [],
        sequence=max((step.sequence for step in steps), default=0),
        more=more,
        begin=begin,
        seconds=((task.ended or now) - begin).total_seconds() if begin else None,
    )


async def hidden(client: Client, kind: str, value: Any) -> Any:
    """A payload or a result with its secrets masked."""
    return masked(value, await _marked(client, kind))


async def _card(client: Client, id: int) -> tuple[Task, Card | None]:
    """What waits for its first attempt has no card."""
    try:
        card = await client.get_card(id)
    except NotFound:
        return await client.get_task(id), None
    return card.task, card


async def _steps(client: Client, id: int) -> tuple[list[Step], bool]:
    steps: list[Step] = []
    token = ""
    while len(steps) < MOST_STEPS:
        try:
            page = await client.step_page(id, page_size=PAGE, page_token=token)
        except NotFound:
            break
        steps += page.items
        token = page.next_page_token
        if not token:
            break
    return steps, bool(token)


async def _marked(client: Client, kind: str) -> frozenset[str]:
    """What the schema of this kind marks as secret, as it was at most a minute ago."""
    until, names = _marks.get(kind, (0.0, frozenset()))
    if time.monotonic() < until:
        return names
    try:
        found = await client.cluster.kind(kind)
        names = frozenset(marked_names(found.payload_schema))
    except (NotFound, PermissionDenied):
        # A kind that is gone, or a token for some pools only: names that look like secrets are hidden all the same.
        return frozenset()
    _marks[kind] = (time.monotonic() + SCHEMA_SECONDS, names)
    return names
