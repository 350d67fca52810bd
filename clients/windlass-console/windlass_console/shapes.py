"""JSON Schema as far as a form can draw it: which widget fits a part of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

LOCAL = "#/$defs/"
DEEPEST = 4
"""Levels of objects that are drawn; what lies deeper is JSON."""
LONG = 2000
"""Characters from which a text gets several lines."""
LONG_NAMES = frozenset({"script", "text", "stdin", "content", "body", "sql", "query", "template", "code"})
SCALARS = ("string", "integer", "number", "boolean")

TEXT, AREA, PASSWORD, MOMENT, NUMBER, SCALAR = "text", "area", "password", "moment", "number", "scalar"
SELECT, SWITCH, LINES, MAP, GROUP, FIXED, JSON = "select", "switch", "lines", "map", "group", "fixed", "json"

MISSING: Any = object()
"""No value at all, which is not None."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A part of a schema: `schema` is that of its value, without null.  `default` is MISSING when none is said."""

    name: str
    widget: str
    schema: Mapping[str, Any]
    required: bool
    nullable: bool
    default: Any
    secret: bool
    description: str
    children: tuple[Shape, ...] = ()


def shape_of(schema: Any, name: str = "", *, required: bool = True, root: Any = None, depth: int = 0) -> Shape:
    """Never fails: what it does not understand is JSON."""
    root = schema if root is None else root
    part, nullable = without_null(resolved(schema, root), root)
    outer = resolved(schema, root)
    secret = bool(part.get("writeOnly") or outer.get("writeOnly") or part.get("format") == "password")
    widget = _widget(part, name, root, required=required, secret=secret)
    has_default = "default" in outer
    default = outer["default"] if has_default else MISSING
    if widget == SWITCH and (nullable or not (has_default or required)):
        widget, part = SELECT, {**part, "enum": [True, False]}
    if widget == GROUP and depth >= DEEPEST:
        widget = JSON
    children = _children(part, root, depth) if widget == GROUP else ()
    words = str(outer.get("description") or part.get("description") or "")
    return Shape(name, widget, part, required, nullable, default, secret, words, children)


def _children(part: Mapping[str, Any], root: Any, depth: int) -> tuple[Shape, ...]:
    needed = part.get("required") or ()
    return tuple(
        shape_of(each, name, required=name in needed, root=root, depth=depth + 1)
        for name, each in part["properties"].items()
    )


def resolved(part: Any, root: Any) -> Mapping[str, Any]:
    """What local references lead to, with what stands beside them; empty for what is no schema."""
    for _ in range(10):
        if not isinstance(part, Mapping) or "$ref" not in part:
            break
        beside = {key: value for key, value in part.items() if key != "$ref"}
        target = (root.get("$defs") or {}).get(str(part["$ref"]).removeprefix(LOCAL))
        part = {**target, **beside} if isinstance(target, Mapping) else beside
    return part if isinstance(part, Mapping) else {}


def without_null(part: Mapping[str, Any], root: Any) -> tuple[Mapping[str, Any], bool]:
    kinds = part.get("type")
    if isinstance(kinds, list):
        said = [kind for kind in kinds if kind != "null"]
        inner: Mapping[str, Any] = (
            {**part, "type": said[0]} if len(said) == 1 else {"anyOf": [{"type": k} for k in said]}
        )
        return inner, "null" in kinds
    alternatives = [resolved(each, root) for each in part.get("anyOf") or part.get("oneOf") or part.get("allOf") or ()]
    if not alternatives:
        return part, False
    rest = [each for each in alternatives if each.get("type") != "null"]
    nullable = len(rest) < len(alternatives)
    return (rest[0] if len(rest) == 1 else {"anyOf": rest}), nullable


def _widget(part: Mapping[str, Any], name: str, root: Any, *, required: bool, secret: bool) -> str:
    values = part.get("enum", [part["const"]] if "const" in part else None)
    if values is not None:
        return _widget_of_values(values, required)
    if "anyOf" in part:
        return SCALAR if all(_is_scalar(each, root) for each in part["anyOf"]) else JSON
    match part.get("type"):
        case "string":
            return _widget_of_text(part, name, secret)
        case "integer" | "number":
            return NUMBER
        case "boolean":
            return SWITCH
        case "array":
            return LINES if _is_scalar(part.get("items"), root) else JSON
        case "object" if isinstance(part.get("properties"), Mapping):
            return GROUP
        case "object":
            return MAP if _is_scalar(part.get("additionalProperties"), root) else JSON
    return JSON


def _widget_of_values(values: Sequence[Any], required: bool) -> str:
    if not all(value is None or isinstance(value, str | int | float) for value in values):
        return JSON
    return FIXED if len(values) == 1 and required else SELECT


def _widget_of_text(part: Mapping[str, Any], name: str, secret: bool) -> str:
    if part.get("format") == "date-time":
        return MOMENT
    if part.get("format") == "password" or (secret and part.get("maxLength", LONG) < LONG):
        return PASSWORD
    is_long = part.get("maxLength", 0) > LONG or name in LONG_NAMES or "contentMediaType" in part or secret
    return AREA if is_long else TEXT


def _is_scalar(part: Any, root: Any) -> bool:
    inner = resolved(part, root)
    if "anyOf" in inner:
        return all(_is_scalar(each, root) for each in inner["anyOf"])
    return inner.get("type") in SCALARS or "enum" in inner


def option(value: Any) -> str:
    """How a value of an enum is written in a form."""
    return value if isinstance(value, str) else json.dumps(value)


def constant_of(shape: Shape) -> Any:
    return shape.schema["const"] if "const" in shape.schema else shape.schema["enum"][0]
