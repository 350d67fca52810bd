"""JSON Schemas of arguments, as far as a command line needs them: the fields there are, and text as their values."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from windlass_cli.exits import INVALID, USAGE, Failure
from windlass_cli.forms import Column

LOCAL = "#/$defs/"


@dataclass(frozen=True, slots=True)
class Field:
    """`types` are JSON Schema's words; empty when the schema does not say."""

    name: str
    types: tuple[str, ...]
    is_required: bool
    description: str

    @property
    def summary(self) -> str:
        """ "integer, required: How many." """
        said = ", ".join([" or ".join(self.types) or "any", *(["required"] if self.is_required else [])])
        return f"{said}: {self.description}" if self.description else said


def fields_of(schema: Any) -> list[Field]:
    """In the order of the schema; empty when it is no object with properties."""
    root = _resolved(schema, schema)
    properties = root.get("properties")
    required = root.get("required") or ()
    if not isinstance(properties, Mapping):
        return []
    return [_field(name, _resolved(each, schema), name in required, schema) for name, each in properties.items()]


def columns_of(schema: Any, lead: str) -> list[Column[Any]]:
    """One for each field, named with `lead` before it: it says of every thing what the schema says."""
    return [_column(f"{lead}{each.name}", each.summary) for each in fields_of(schema)]


def argument_of(schema: Any, given: Mapping[str, str]) -> dict[str, Any]:
    """The argument made of `--field NAME=VALUE`.  Failure for a name nobody knows, and for a value that can't be."""
    known = {field.name: field for field in fields_of(schema)}
    argument = {}
    for name, text in given.items():
        if known and name not in known and _resolved(schema, schema).get("additionalProperties") is not True:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(known)}"
            raise Failure(USAGE, f"there is no field {name}; {hint}")
        argument[name] = _value(text, known.get(name, Field(name, (), False, "")))
    return argument


def _column(name: str, summary: str) -> Column[Any]:
    return Column(name, lambda _: summary)


def _field(name: str, each: Mapping[str, Any], required: bool, schema: Any) -> Field:
    return Field(name, tuple(dict.fromkeys(_types(each, schema))), required, str(each.get("description") or ""))


def _types(each: Mapping[str, Any], schema: Any) -> Iterator[str]:
    said = each.get("type")
    if isinstance(said, str):
        yield said
    elif isinstance(said, list):
        yield from map(str, said)
    elif "enum" in each:
        yield from (json.dumps(value, ensure_ascii=False) for value in each["enum"])
    for alternative in each.get("anyOf") or ():
        yield from _types(_resolved(alternative, schema), schema)


def _value(text: str, field: Field) -> Any:
    """Text stays text where text fits; everything else is JSON."""
    if "string" in field.types:
        return None if text == "null" and "null" in field.types else text
    try:
        return json.loads(text)
    except ValueError:
        if field.types and not any(each.startswith('"') for each in field.types):
            wanted = " or ".join(field.types)
            raise Failure(INVALID, f"the field {field.name} takes {wanted}, not {text!r}") from None
        return text


def _resolved(part: Any, schema: Any) -> Mapping[str, Any]:
    """What a local `$ref` leads to; an empty mapping for what is no schema at all."""
    for _ in range(10):
        reference = part.get("$ref") if isinstance(part, Mapping) else None
        if not isinstance(reference, str) or not reference.startswith(LOCAL):
            break
        part = (schema.get("$defs") or {}).get(reference.removeprefix(LOCAL))
    return part if isinstance(part, Mapping) else {}
