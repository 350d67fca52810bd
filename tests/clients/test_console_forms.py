"""The console's forms: what is drawn of a schema, and what is read of what comes back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from windlass_client import InvalidArgument
from windlass_console.forms import Field, fields, placed, read
from windlass_hosts.push_file import PushFilePayload
from windlass_scripts.operations import Save
from windlass_scripts.payload import ExecuteScriptPayload

SCHEMA = {
    "$ref": "#/$defs/Order",
    "$defs": {
        "Order": {
            "type": "object",
            "required": ["name", "sort", "count"],
            "properties": {
                "sort": {"enum": ["order"]},
                "name": {"type": "string", "minLength": 2, "maxLength": 9, "description": "Whose."},
                "count": {"type": "integer", "minimum": 1, "maximum": 100},
                "rate": {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "null"}], "default": None},
                "size": {"enum": ["large", "small"], "default": "small"},
                "gift": {"type": "boolean", "default": False},
                "signed": {"type": "boolean", "default": True},
                "sure": {"anyOf": [{"type": "boolean"}, {"type": "null"}], "default": None},
                "due": {"type": "string", "format": "date-time"},
                "numbers": {"type": "array", "items": {"type": "integer"}, "default": []},
                "every": {"anyOf": [{"type": "string"}, {"type": "number"}], "default": 60.0},
                "marks": {"type": "object", "additionalProperties": {"type": "integer"}},
                "lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}},
                "limits": {"anyOf": [{"$ref": "#/$defs/Limits"}, {"type": "null"}], "default": None},
                "anything": {},
            },
        },
        "Line": {"type": "object", "properties": {"text": {"type": "string"}}},
        "Limits": {
            "type": "object",
            "properties": {"cpu": {"type": "number"}, "disk": {"type": "integer"}},
            "required": ["cpu"],
        },
    },
}
LEAST = {"payload.name": "Ann", "payload.count": "3", "payload.signed": "true"}


def schema_of(shape: Any) -> Any:
    return json.loads(msgspec.json.encode(msgspec.json.schema(shape)))


def flat(drawn: list[Field]) -> Iterator[Field]:
    for field in drawn:
        if field.widget == "group":
            yield from flat(field.fields)
        else:
            yield field


def typed(drawn: list[Field]) -> dict[str, str]:
    """What a browser would send of these fields, untouched."""
    items = {field.path: field.text for field in flat(drawn) if field.widget != "switch" or field.text}
    return items | {f"{field.path}:json": "1" for field in flat(drawn) if field.is_json}


def test_each_sort_of_value_has_its_widget() -> None:
    widgets = {field.path.rpartition(".")[2]: field.widget for field in fields(SCHEMA)}
    assert widgets == {
        "sort": "fixed",
        "name": "text",
        "count": "number",
        "rate": "number",
        "size": "select",
        "gift": "switch",
        "signed": "switch",
        "sure": "select",
        "due": "moment",
        "numbers": "lines",
        "every": "scalar",
        "marks": "map",
        "lines": "json",
        "limits": "group",
        "anything": "json",
    }


def test_what_is_untouched_is_left_out() -> None:
    assert read(SCHEMA, LEAST) == ({"sort": "order", "name": "Ann", "count": 3}, {})


def test_what_is_typed_gets_its_type() -> None:
    more = {
        "rate": "0.5",
        "size": "large",
        "gift": "true",
        "sure": "false",
        "due": "2030-01-31T09:00",
        "due:zone": "Europe/Helsinki",
        "numbers": "1\r\n\r\n2",
        "every": "5",
        "marks": "a=1\nb = 2",
        "lines": '[{"text": "x"}]',
        "limits.cpu": "2",
        "anything": "null",
    }
    value, errors = read(SCHEMA, LEAST | {f"payload.{name}": text for name, text in more.items()})
    assert errors == {}
    assert value["due"] == "2030-01-31T07:00:00Z"
    assert value["marks"] == {"a": 1, "b": 2}
    assert (value["numbers"], value["every"], value["sure"], value["gift"]) == ([1, 2], 5, False, True)
    assert (value["lines"], value["limits"], value["anything"]) == ([{"text": "x"}], {"cpu": 2}, None)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("name", "", "is required"),
        ("name", "A", "at least 2 characters"),
        ("count", "1_000", "takes a whole number"),
        ("count", "101", "from 1 to 100"),
        ("rate", "0", "above 0"),
        ("rate", "1e999", "too large"),
        ("size", "huge", "takes one of large, small"),
        ("due", "tomorrow", "takes a time"),
        ("numbers", "1\nx", "line 2: takes a whole number"),
        ("marks", "a", "line 1: write it as name=value"),
        ("marks", "a=1\na=2", "line 2: a is there twice"),
        ("lines", "[", "is no JSON"),
        ("lines", "[" * 100_000, "is"),
        ("anything", "NaN", "is no JSON"),
        ("anything", "[1e999]", "too large"),
        ("anything", "1" * 5_000, "too large"),
        ("anything", '"\\ud800"', "half of a character"),
        ("limits.disk", "1", ""),
    ],
)
def test_what_does_not_fit_is_told_at_its_field(name: str, text: str, words: str) -> None:
    path = f"payload.{name}" if words else "payload.limits.cpu"
    _, errors = read(SCHEMA, LEAST | {f"payload.{name}": text})
    assert set(errors) == {path}
    assert (words or "is required") in errors[path]
    again = {
        field.path: field for field in flat(fields(SCHEMA, errors=errors, typed=LEAST | {f"payload.{name}": text}))
    }
    assert again[path].error == errors[path]
    assert again[f"payload.{name}"].text == text


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (
            ExecuteScriptPayload,
            {"script": "a\nb\n", "args": ["x", " y"], "env": {"A": "b=c"}, "limits": {"pids_max": 3}},
        ),
        (
            ExecuteScriptPayload,
            {"library": "x@3", "parameters": {"a": "7", "n": 7, "yes": True}, "timeout": 2},
        ),
        (ExecuteScriptPayload, {"argv": ["sh", "-c", "two\nlines", ""], "unknown": [1]}),
        (Save, {"name": "x", "text": "t", "parameters": [{"name": "a"}], "exit_codes": {"3": "retry"}}),
        (PushFilePayload, {"path": "/x", "backup": True}),
    ],
)
def test_a_value_comes_back_as_it_was(shape: Any, value: Any) -> None:
    schema = schema_of(shape)
    assert read(schema, typed(fields(schema, value))) == (value, {})


def test_a_secret_is_never_drawn() -> None:
    drawn = fields(schema_of(PushFilePayload), {"path": "/x", "content": "hunter2"})
    assert "hunter2" not in str(drawn)


def test_what_is_no_object_is_one_field_and_no_schema_is_none() -> None:
    assert [(field.path, field.widget) for field in fields({"type": "integer"})] == [("payload", "number")]
    assert read({"type": "integer"}, {"payload": "7"}) == (7, {})
    assert fields(None) == []
    assert read(None, {}) == (None, {})
    nested: dict[str, Any] = {"$defs": {"Tree": {"type": "object", "properties": {"in": {"$ref": "#/$defs/Tree"}}}}}
    assert read(nested | {"$ref": "#/$defs/Tree"}, typed(fields(nested | {"$ref": "#/$defs/Tree"}))) == ({}, {})


def test_the_servers_words_come_to_the_field_that_they_mean() -> None:
    schema = schema_of(ExecuteScriptPayload)
    fits = "the payload does not fit ExecuteScript: "

    def place(words: str) -> dict[str, str]:
        return placed(InvalidArgument(words), schema)

    assert place(f"{fits}Expected `int` >= 1 - at `$.limits.pids_max`") == {
        "payload.limits.pids_max": "Expected `int` >= 1"
    }
    assert place(f"{fits}argv: is empty") == {"payload.argv": "is empty"}
    assert set(place(f"{fits}script, library, argv: give exactly one of them - at `$`")) == {"payload.script"}
    assert set(place("parameters.days: wants a whole number")) == {"payload.parameters"}
    assert place("something else: it is so") == {"payload": "something else: it is so"}
