"""Lists of tasks: without a filter by fixed statements along the keys, else by what filters.py puts together."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from windlass.core.fields import CARDS, Section
from windlass.core.filters import Filter
from windlass.core.lifecycle import State
from windlass.core.orders import Order, parse_order
from windlass.store.facts import Page, TaskFacts
from windlass.store.port import Scope
from windlass.store.postgres.connection import Connections, Row
from windlass.store.postgres.filters import CARD_COLUMNS, TASK_COLUMNS, Asking, columns_of
from windlass.store.values import CARD_VALUES, TASK_VALUES, Values, of_origin, place_in

LARGEST_ID = 2**63 - 1
FIRST_RANK = -(2**31)
START = datetime(1970, 1, 1, tzinfo=UTC)
STATE_COLUMN = TaskFacts.__struct_fields__.index("state")
SECTION_COLUMN = len(TaskFacts.__struct_fields__)
NEWEST_FIRST = parse_order("id desc", CARDS)
QUEUE, OVER = [0, 1, 2, 3], [4]
TABLES = {Section.ACTIVE: QUEUE, Section.CARDS: QUEUE + OVER, Section.ENDED: OVER}
"""The numbers of the view `place`."""
Place = tuple[Any, ...] | None


async def active(
    db: Connections, size: int, after: Place, filter: Filter, order: Order, pools: Scope
) -> Page[TaskFacts]:
    if order.terms:
        asking = Asking(TASK_COLUMNS)
        return await _found(db, "find_active", asking, size, after, filter, order, pools)
    section, id_, priority, next_try_at = after or (0, 0, 0, START)
    # Before everything that waits, as long as the page stands in what runs.
    rank = -int(cast("int", priority)) if section else FIRST_RANK
    facts = {"section": section, "id": id_, "rank": rank, "next_try_at": next_try_at, "limit": size + 1}
    rows = await _walk(db, facts, filter, pools)
    shown = tuple(task_facts(row) for row in rows[:size])
    if len(rows) <= size:
        return Page(shown, None)
    last, section = shown[-1], rows[size - 1][SECTION_COLUMN]
    return Page(shown, (section, last.id, last.priority, last.next_try_at))


async def _walk(db: Connections, facts: dict[str, Any], filter: Filter, pools: Scope) -> list[Row]:
    if filter.condition is None and not pools:
        return await db.rows("list_active", facts)
    asking = Asking(TASK_COLUMNS)
    statement = asking.statement("walk_active", condition=asking.condition(filter, pools))
    return await db.find(statement, facts | asking.values, walks=True)


async def cards(
    db: Connections, size: int, after: Place, origin: int | None, filter: Filter, order: Order, pools: Scope
) -> Page[TaskFacts]:
    if filter.condition is None and not order.terms and not pools:
        before = after[0] if after else LARGEST_ID
        rows = await db.rows("list_cards", {"before": before, "origin": origin, "limit": size + 1})
        return _page(rows, size, NEWEST_FIRST, CARD_VALUES)
    asking, chosen = Asking(CARD_COLUMNS), of_origin(filter, origin)
    return await _found(db, "find_cards", asking, size, after, chosen, order if order.terms else NEWEST_FIRST, pools)


async def _found(
    db: Connections, name: str, asking: Asking, size: int, after: Place, filter: Filter, order: Order, pools: Scope
) -> Page[TaskFacts]:
    statement = asking.statement(
        name,
        since=asking.since(filter),
        after=asking.after(order, after),
        condition=asking.condition(filter, pools),
        order=asking.order(order),
    )
    first, span = order.terms[0], {"lowest": 0, "highest": LARGEST_ID}
    walks = first.field.name == "id"
    if walks and after is not None:
        span |= {"highest": after[0] - 1} if first.is_descending else {"lowest": after[0] + 1}
    rows = await db.find(statement, asking.values | span | {"limit": size + 1}, walks=walks)
    return _page(rows, size, order, CARD_VALUES if name == "find_cards" else TASK_VALUES)


def _page(rows: list[Row], size: int, order: Order, values: Values) -> Page[TaskFacts]:
    shown = tuple(task_facts(row) for row in rows[:size])
    return Page(shown, place_in(order, values, shown[-1]) if len(rows) > size else None)


async def ids_matching(
    db: Connections, filter: Filter, section: Section, after: int, limit: int, pools: Scope
) -> list[int]:
    asking = Asking(columns_of(section))
    statement = asking.statement("find_ids", since=asking.since(filter), condition=asking.condition(filter, pools))
    facts = {"homes": TABLES[section], "carded": section is Section.CARDS, "lowest": after + 1, "limit": limit}
    return [row[0] for row in await db.find(statement, asking.values | facts, walks=True)]


def task_facts(row: Row) -> TaskFacts:
    """A task from the columns of the statements about tasks."""
    values = list(row[:SECTION_COLUMN])
    values[STATE_COLUMN] = State(values[STATE_COLUMN])
    return TaskFacts(*values)
