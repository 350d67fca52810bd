"""How people read, in PostgreSQL: keyset pages, one query each, nothing counted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

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
from windlass.store.port import ALL_POOLS, MOST_COUNTED, MOST_OUTPUT_BYTES, Library, Scope, output_bounds
from windlass.store.postgres import lists
from windlass.store.postgres.arrays import booleans, numbers
from windlass.store.postgres.connection import Connections, Row
from windlass.store.postgres.lists import task_facts

REQUEST_COLUMNS = (
    *("kind", "title", "priority", "pool", "trigger", "origin", "initiator", "labels", "payload"),
    *("attempt_limit", "retry_pause", "coalesce_key", "slot_key", "slot_limit"),
    *("start_within", "run_limit", "silence_limit"),
)
"""The columns of read_request.sql."""
JOINED_ON_CARD = 1_000
OUTPUT = 5


class PostgresLibrary(Library):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def task(self, task: int, pools: Scope = ALL_POOLS) -> TaskFacts | None:
        rows = await self._db.rows("read_task", {"task": task, "pools": sorted(pools)})
        return task_facts(rows[0]) if rows else None

    async def active(
        self,
        size: int,
        after: tuple[object, ...] | None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        return await lists.active(self._db, size, after, filter, order, pools)

    async def cards(
        self,
        size: int,
        after: tuple[object, ...] | None,
        origin: int | None = None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        return await lists.cards(self._db, size, after, origin, filter, order, pools)

    async def ids_matching(
        self, filter: Filter, section: Section, after: int, limit: int, pools: Scope = ALL_POOLS
    ) -> list[int]:
        return await lists.ids_matching(self._db, filter, section, after, limit, pools)

    async def count_matching(
        self, filter: Filter, section: Section, cap: int = MOST_COUNTED, pools: Scope = ALL_POOLS
    ) -> int:
        # One way to ask: the ids of ten thousand tasks are 80 kB.
        return len(await lists.ids_matching(self._db, filter, section, 0, cap + 1, pools))

    async def output(
        self, task: int, after: int, limit: int, attempt: int | None = None, stream: int | None = None
    ) -> Page[EventFacts]:
        first, end = output_bounds(after, attempt)
        places = {"task": task, "after": first, "before": end, "stream": stream}
        rows = await self._db.rows("read_output", places | {"limit": limit + 1, "bytes": MOST_OUTPUT_BYTES})
        found = tuple(
            EventFacts(sequence, at, OUTPUT, data=data, stream=stream_, dropped=dropped)
            for sequence, at, data, stream_, dropped, _ in rows[:limit]
        )
        is_more = bool(rows) and rows[0][-1] > len(found)
        return Page(found, (found[-1].sequence,) if is_more else None)

    async def card(self, task: int, pools: Scope = ALL_POOLS) -> CardFacts | None:
        facts = await self.task(task, pools)
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

    async def events(
        self, watched: Sequence[Watched], limit: int, portion: int | None = None
    ) -> dict[int, list[EventFacts]]:
        parameters: dict[str, Any] = {
            "tasks": numbers([w.task for w in watched]),
            "afters": numbers([w.after for w in watched]),
            "timeline_only": booleans([w.timeline_only for w in watched]),
            "limit": limit,
            "portion": portion,
        }
        found: dict[int, list[EventFacts]] = defaultdict(list)
        for row in await self._db.rows("read_events", parameters):
            found[row[0]].append(_event(row[1:]))
        return found


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
