"""The whole at a glance, in PostgreSQL: a few bounded reads."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from windlass.core.lifecycle import State
from windlass.core.vitals import COUNT_CAP, KindEnds, KindWaiting, LostNode, NodeVitals, PoolVitals
from windlass.store import survey
from windlass.store.lanes import LaneFacts
from windlass.store.postgres.connection import Connections, Row
from windlass.store.postgres.lists import SECTION_COLUMN, task_facts
from windlass.store.survey import CoalescingFacts, Depths, Executing, PooledStanding, Survey

INSIDE = 0
KEYED_STATE = CoalescingFacts.__struct_fields__.index("state")
EACH = {"each": survey.LISTED_EACH, "most": survey.LISTED_IN_ALL}


class PostgresSurvey(Survey):
    def __init__(self, connections: Connections) -> None:
        self._db = connections

    async def depths(self) -> Depths:
        rows = await self._in_order("read_depths", {"cap": COUNT_CAP})
        return Depths(rows[0][0], tuple(PoolVitals(*row[1:]) for row in rows if row[1] is not None))

    async def executing(self, quiet: float) -> list[Executing]:
        rows = await self._db.rows("list_executing", EACH | {"cap": COUNT_CAP, "quiet": quiet})
        return [Executing(task_facts(row), *row[SECTION_COLUMN:]) for row in rows]

    async def coalescing(self) -> list[CoalescingFacts]:
        rows = await self._in_order("list_coalescing", EACH | {"cap": survey.KEYED_CAP, "joined": COUNT_CAP})
        return [_coalescing(*row) for row in rows]

    async def busy_lanes(self) -> list[LaneFacts]:
        rows = await self._db.rows("list_busy_lanes", {"lanes": survey.MOST_LANES, "line": survey.LONGEST_LINE})
        return [_lane(name, fence, list(standing)) for (name, fence), standing in groupby(rows, lambda row: row[:2])]

    async def waiting_kinds(self) -> list[KindWaiting]:
        rows = await self._in_order("read_waiting_kinds", {"cap": survey.FIRST_WAITING})
        return [KindWaiting(*row) for row in rows]

    async def ends(self, window: float) -> list[KindEnds]:
        rows = await self._db.rows("read_ends", {"cap": survey.LAST_ENDS, "window": window})
        return [KindEnds(*row) for row in rows]

    async def nodes(self, window: float) -> NodeVitals:
        rows = await self._db.rows("read_nodes_alive", {"cap": survey.NODES_CAP, "window": window})
        [(live, draining, agents, draining_agents, last, *columns)] = rows
        lost = tuple(LostNode(*one) for one in zip(*columns, strict=True))
        return NodeVitals(live, draining, None if live else last, lost, agents, draining_agents)

    async def _in_order(self, statement: str, facts: dict[str, Any]) -> list[Row]:
        async with self._db.transaction() as run:
            await run("keep_in_order", {})
            return await run(statement, facts)


def _coalescing(*row: Any) -> CoalescingFacts:
    values = list(row)
    values[KEYED_STATE] = State(values[KEYED_STATE])
    return CoalescingFacts(*values)


def _lane(name: str, fence: int, rows: list[Row]) -> LaneFacts:
    standing = [(ticket, PooledStanding(*facts)) for _, _, ticket, *facts in rows]
    holder = next((one for ticket, one in standing if ticket == INSIDE), None)
    return LaneFacts(name, fence, holder, tuple(one for ticket, one in standing if ticket != INSIDE))
