"""Lanes, in PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import groupby
from typing import Any

import msgspec

from windlass.errors import AttemptSuperseded
from windlass.store.lanes import Entrant, LaneFacts, Lanes, Standing, Turn
from windlass.store.postgres.arrays import numbers, texts
from windlass.store.postgres.connection import Connections, Row

INSIDE = 0


class PostgresLanes(Lanes):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def enter(self, entrant: Entrant) -> Turn:
        [(runs, fence, position, holder)] = await self._db.rows("enter_lane", msgspec.structs.asdict(entrant))
        if not runs:
            raise AttemptSuperseded(f"attempt {entrant.attempt} of task {entrant.task} is superseded")
        return Turn(fence, position, holder)

    async def leave(self, entrant: Entrant) -> None:
        who = msgspec.structs.asdict(entrant) | {"hint": self._db.hint("lane")}
        # Two commits: whoever is inside has no ticket, and a lock on both at once would be a wait order to keep.
        if not await self._db.rows("leave_lane", who):
            await self._db.rows("leave_line", who)

    async def holds(self, entrant: Entrant, fence: int) -> bool:
        return bool(await self._db.rows("check_lane", msgspec.structs.asdict(entrant) | {"fence": fence}))

    async def called(self, waiting: Collection[Entrant]) -> set[Entrant]:
        return {Entrant(*row) for row in await self._db.rows("call_waiters", _asked(waiting))}

    async def lanes(self, after: str = "", limit: int | None = None) -> list[LaneFacts]:
        rows = await self._db.rows("list_lanes", {"after": after, "limit": limit})
        return [_lane(name, fence, list(standing)) for (name, fence), standing in groupby(rows, lambda row: row[:2])]


def _asked(entrants: Collection[Entrant]) -> dict[str, Any]:
    return {
        "lanes": texts(e.lane for e in entrants),
        "tasks": numbers(e.task for e in entrants),
        "attempts": numbers(e.attempt for e in entrants),
        "nodes": numbers(e.node for e in entrants),
    }


def _lane(name: str, fence: int, rows: Iterable[Row]) -> LaneFacts:
    # A lane that is free and has no waiters is one row of nulls.
    standing = [(ticket, Standing(*facts)) for _, _, ticket, *facts in rows if ticket is not None]
    holder = next((one for ticket, one in standing if ticket == INSIDE), None)
    return LaneFacts(name, fence, holder, tuple(one for ticket, one in standing if ticket != INSIDE))
