"""JSON of any shape, for people: facts, tables, and what fits into neither.  Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from windlass_client import Operation

from windlass_console.shapes import resolved

MOST_ROWS = 500
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
TASK = "task"
"""A number that is a name: it leads to the card."""
NEXT = "next"
"""Results that have more say so here; the argument takes it as `after`."""


@dataclass(frozen=True, slots=True)
class Table:
    """A list of objects: `rows` have a cell for each of `columns`, None where one has nothing there."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    left_out: int = 0

    @property
    def numbers(self) -> frozenset[str]:
        """Columns with nothing but numbers that are amounts."""
        cells = {name: [row[place] for row in self.rows] for place, name in enumerate(self.columns) if name != TASK}
        return frozenset(name for name, found in cells.items() if any(map(_is_number, found)) and _all_numbers(found))


@dataclass(slots=True)
class Shape:
    """`groups` are objects in the result, by name; `more` is the `after` of the next page, None when this was all."""

    facts: list[tuple[str, Any]] = field(default_factory=list)
    groups: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    others: list[tuple[str, Any]] = field(default_factory=list)
    more: Any = None
    is_empty: bool = False


def shape_of(result: Any) -> Shape:
    """Of what an operation answered."""
    shape = Shape()
    if isinstance(result, dict):
        for name, value in result.items():
            _place(shape, name, value)
    elif is_table(result):
        shape.tables.append(table_of("", result))
    elif isinstance(result, list) and result:
        shape.others.append(("", result))
    elif result is not None and result != []:
        shape.facts.append(("result", result))
    if not (shape.tables or shape.others or shape.groups) and all(value is None for _, value in shape.facts):
        shape.facts, shape.is_empty = [], True
    return shape


def _place(shape: Shape, name: str, value: Any) -> None:
    if name == NEXT and not isinstance(value, dict | list):
        shape.more = value if value not in (None, "") else None
    elif is_table(value):
        shape.tables.append(table_of(name, value))
    elif isinstance(value, dict) and value:
        shape.groups.append((name, value))
    elif isinstance(value, list) and value:
        shape.others.append((name, value))
    else:
        shape.facts.append((name, None if isinstance(value, dict | list) else value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _all_numbers(values: list[Any]) -> bool:
    return all(value is None or _is_number(value) for value in values)


def is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) and row for row in value)


def table_of(name: str, rows: list[dict[str, Any]]) -> Table:
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    cells = tuple(tuple(row.get(column) for column in columns) for row in rows[:MOST_ROWS])
    return Table(name, columns, cells, max(0, len(rows) - MOST_ROWS))


def moment_of(value: Any) -> datetime | None:
    """A time in a text; None when it is another text, or none."""
    if not isinstance(value, str) or not MOMENT.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return None


def words_of(name: str) -> str:
    """ "transactions_processed" → "Transactions processed"."""
    said = name.replace("_", " ").replace("-", " ")
    return said[:1].upper() + said[1:]


def json_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def result_id(operation: Operation) -> str:
    """Of the element that shows what it answers."""
    return f"result-{operation.name.replace('.', '-')}"


def schema_of(schema: Any) -> dict[str, Any]:
    """A JSON Schema without its `$ref` at the top; empty when it says nothing."""
    if not isinstance(schema, dict):
        return {}
    return {**resolved(schema, schema), "$defs": schema.get("$defs", {})} if "$ref" in schema else schema


def fields_in(schema: Any) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Each field of an argument: name, schema, and whether it must be there."""
    whole = schema_of(schema)
    required = whole.get("required", [])
    for name, each in whole.get("properties", {}).items():
        yield name, each, name in required


def needs_nothing(schema: Any) -> bool:
    """It can be called with an empty argument, as far as the schema tells."""
    return not any(required for _, _, required in fields_in(schema))
