"""How people read, in PostgreSQL: keyset pages, one query each, nothing counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast

from windlass.core.fields import Section
from windlass.core.filters import EVERYTHING, Filter
from windlass.core.lifecycle import State, Verdict
from windlass.core.orders import OWN, Order
from windlass.store.facts import (
    AttemptFacts,
    CardFacts,
    EventFacts,
    JoinedFacts,
    NewTask,
    Page,
    Standing,
    TaskFacts,
    Watched,
)
from windlass.store.port import ALL_POOLS, MOST_COUNTED, Library, Scope
from windlass.store.postgres.connection import Connections, Row

LARGEST_ID = 2**63 - 1
FIRST_RANK = -(2**31)
START = datetime(1970, 1, 1, tzinfo=UTC)
STATE_COLUMN = TaskFacts.__struct_fields__.index("state")
SECTION_COLUMN = len(TaskFacts.__struct_fields__)
REQUEST_COLUMNS = (
    *("kind", "title", "priority", "pool", "trigger", "origin", "initiator", "labels", "payload"),
    *("attempt_limit", "retry_pause", "coalesce_key", "slot_key", "slot_limit"),
    *("start_within", "run_limit", "silence_limit"),
)
"""The columns of read_request.sql."""
JOINED_ON_CARD = 1_000


class PostgresLibrary(Library):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def task(self, task: int, pools: Scope = ALL_POOLS) -> TaskFacts | None:
        rows = await self._db.rows("read_task", {"task": task})
        return _facts(rows[0]) if rows else None

    async def active(
        self,
        size: int,
        after: tuple[object, ...] | None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        section, id_, priority, next_try_at = after or (0, 0, 0, START)
        # Before everything that waits, as long as the page stands in what runs.
        rank = -int(cast("int", priority)) if section else FIRST_RANK
        facts = {"section": section, "id": id_, "rank": rank, "next_try_at": next_try_at, "limit": size + 1}
        rows = await self._db.rows("list_active", facts)
        if len(rows) <= size:
            return Page(tuple(_facts(row) for row in rows), None)
        shown = tuple(_facts(row) for row in rows[:size])
        last, section = shown[-1], rows[size - 1][SECTION_COLUMN]
        return Page(shown, (section, last.id, last.priority, last.next_try_at))

    async def cards(
        self,
        size: int,
        after: tuple[object, ...] | None,
        origin: int | None = None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        before = after[0] if after else LARGEST_ID
        rows = await self._db.rows("list_cards", {"before": before, "origin": origin, "limit": size + 1})
        shown = tuple(_facts(row) for row in rows[:size])
        return Page(shown, (shown[-1].id,) if len(rows) > size else None)

    async def ids_matching(
        self, filter: Filter, section: Section, after: int, limit: int, pools: Scope = ALL_POOLS
    ) -> list[int]:
        raise NotImplementedError

    async def count_matching(
        self, filter: Filter, section: Section, cap: int = MOST_COUNTED, pools: Scope = ALL_POOLS
    ) -> int:
        raise NotImplementedError

    async def output(
        self, task: int, after: int, limit: int, attempt: int | None = None, stream: int | None = None
    ) -> list[EventFacts]:
        raise NotImplementedError

    async def card(self, task: int, pools: Scope = ALL_POOLS) -> CardFacts | None:
        facts = await self.task(task)
        if facts is None or not (facts.attempt or facts.state.final):
            return None
        rows = await self._db.rows("read_attempts", {"task": task})
        attempts = tuple(AttemptFacts(row[0], Verdict(row[1]), *row[2:]) for row in rows)
        if facts.coalesce_key is None:
            return CardFacts(facts, attempts)
        rows = await self._db.rows("list_joined", {"task": task, "limit": JOINED_ON_CARD})
        return CardFacts(facts, attempts, tuple(JoinedFacts(*row) for row in rows))

    async def request(self, task: int) -> NewTask | None:
        rows = await self._db.rows("read_request", {"task": task})
        return _request(rows[0]) if rows else None

    async def children(self, task: int, limit: int, after: int = 0) -> list[int]:
        facts = {"task": task, "limit": limit, "after": after}
        return [row[0] for row in await self._db.rows("read_children", facts)]

    async def standing(self, task: int) -> Standing | None:
        rows = await self._db.rows("read_standing", {"task": task})
        facts: list[Any] = [tuple(value) if isinstance(value, list) else value for value in rows[0]] if rows else []
        return Standing(*facts) if rows else None

    async def events(self, watched: Sequence[Watched], limit: int) -> dict[int, list[EventFacts]]:
        parameters: dict[str, Any] = {
            "tasks": [w.task for w in watched],
            "afters": [w.after for w in watched],
            "timeline_only": [w.timeline_only for w in watched],
            "limit": limit,
        }
        found: dict[int, list[EventFacts]] = defaultdict(list)
        for row in await self._db.rows("read_events", parameters):
            found[row[0]].append(_event(row[1:]))
        return found


def _facts(row: Row) -> TaskFacts:
    values = list(row[:SECTION_COLUMN])
    values[STATE_COLUMN] = State(values[STATE_COLUMN])
    return TaskFacts(*values)


def _request(row: Row) -> NewTask:
    values = dict(zip(REQUEST_COLUMNS, row, strict=True))
    values |= {name: bytes(values[name]).decode() for name in ("labels", "payload")}
    return NewTask(**values)


def _event(row: Row) -> EventFacts:
    sequence, at, type_, state, text, data, node, next_try_at, current, total, stream, dropped = row
    return EventFacts(
        sequence=sequence,
        at=at,
        type=type_,
        state=None if state is None else State(state),
        text=text,
        data=data,
        node=node,
        next_try_at=next_try_at,
        current=current or 0,
        total=total,
        stream=stream or 0,
        dropped=dropped or 0,
    )
