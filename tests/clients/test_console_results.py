"""What an operation answered, in a shape for people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from windlass_client import Operation
from windlass_console.catalogue import PluginPage
from windlass_console.results import MOST_ROWS, moment_of, needs_nothing, shape_of, words_of


def test_an_object_becomes_facts_its_lists_of_objects_tables_and_what_it_says_is_next_the_next_page() -> None:
    shape = shape_of({"total": 2, "rows": [{"a": 1}, {"b": [1]}], "one": {"x": 1}, "ids": ["a"], "none": [], "next": 7})
    assert shape.facts == [("total", 2), ("none", None)]
    assert [(table.name, table.columns, table.rows) for table in shape.tables] == [
        ("rows", ("a", "b"), ((1, None), (None, [1])))
    ]
    assert (shape.groups, shape.others, shape.more) == ([("one", {"x": 1})], [("ids", ["a"])], 7)


@pytest.mark.parametrize("result", [None, [], {}, {"rows": [], "next": ""}])
def test_nothing_is_said_to_be_nothing(result: Any) -> None:
    assert (shape_of(result).is_empty, shape_of(result).more) == (True, None)


def test_a_list_of_objects_is_one_table_that_says_what_it_leaves_out() -> None:
    [table] = shape_of([{"n": number} for number in range(MOST_ROWS + 3)]).tables
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 3)


def test_only_whole_times_are_times_and_names_are_words() -> None:
    assert moment_of("2026-05-01T00:00:00Z") == datetime(2026, 5, 1, tzinfo=UTC)
    assert [moment_of(text) for text in ("2026-05-01", "2026-99-01T00:00:00Z", "since 2026-05-01T00:00:00Z", 7)] == [
        None
    ] * 4
    assert words_of("transactions_processed") == "Transactions processed"


def test_a_count_is_asked_first_only_when_it_takes_the_same_argument() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"x": {}}, "required": ["x"]}}}
    other = {"type": "object", "properties": {}}
    drop, forget = _operation("drop", schema), _operation("forget", other)
    count = _operation("count", schema, writes=False)
    plugin = PluginPage("p", None, (count, drop, forget))
    assert plugin.counting(drop) is count
    assert plugin.counting(forget) is None
    assert (needs_nothing(schema), needs_nothing(other)) == (False, True)


def _operation(name: str, schema: Any, *, writes: bool = True) -> Operation:
    return Operation(f"p.{name}", name, "It does.", writes, "operator", schema, None)
