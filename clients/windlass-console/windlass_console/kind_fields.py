"""A JSON Schema for people: the fields of an object, one line each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from windlass_console.shapes import resolved


@dataclass(frozen=True, slots=True)
class Field:
    """`types`: JSON Schema's words, or the values it may have; `default` as JSON, empty when there is none."""

    name: str
    types: str
    is_required: bool
    default: str
    description: str


def fields_of(schema: Any) -> list[Field]:
    """In the order of the schema; empty when it is no object with properties."""
    root = resolved(schema, schema)
    properties = root.get("properties")
    required = root.get("required") or ()
    if not isinstance(properties, Mapping):
        return []
    return [_field(name, resolved(each, schema), name in required, schema) for name, each in properties.items()]


def _field(name: str, each: Mapping[str, Any], is_required: bool, schema: Any) -> Field:
    types = " or ".join(dict.fromkeys(_types(each, schema))) or "any"
    default = json.dumps(each["default"], ensure_ascii=False) if "default" in each else ""
    return Field(name, types, is_required, default, str(each.get("description") or ""))


def _types(each: Mapping[str, Any], schema: Any) -> Iterator[str]:
    said = each.get("type")
    if "enum" in each:
        yield from (json.dumps(value, ensure_ascii=False) for value in each["enum"])
    elif isinstance(said, str):
        yield said
    elif isinstance(said, list):
        yield from map(str, said)
    for alternative in each.get("anyOf") or ():
        yield from _types(resolved(alternative, schema), schema)
