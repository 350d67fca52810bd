"""Forms from JSON Schema: the fields to draw, and the value of what comes back.

    drawn = fields(kind.payload_schema, task.payload)
    value, errors = read(kind.payload_schema, await request.form())
    again = fields(kind.payload_schema, errors=errors, typed=form)      # as it was typed, each error at its field

Paths are dotted and begin with the prefix: `payload.limits.pids_max`; they are the names of the inputs too.  A part
whose name with `:json` is in the form is JSON, whatever its widget is; `name:zone` is the zone of a time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from windlass_client import WindlassError

from windlass_console.drawing import Drawing, Field, has_all
from windlass_console.shapes import FIXED, GROUP, LINES, MAP, MISSING, SWITCH, Shape, constant_of, shape_of
from windlass_console.typed_text import Wrong, parse, parse_json

__all__ = ["Field", "fields", "placed", "read"]

REQUIRED = "is required"
AT = re.compile(r"\s+-\s+at\s+`\$(?P<path>[^`]*)`\s*$")
MISSING_FIELD = re.compile(r"missing required field `(?P<name>[^`]+)`")
LEAD = re.compile(r"^(the (payload|argument) does not fit (operation )?|operation )[^:]+: ")
NAMED = re.compile(r"(?P<names>[A-Za-z_][\w.]*(?:, [A-Za-z_][\w.]*)*): (?P<words>.+)", re.DOTALL)


def fields(
    schema: Any,
    value: Any = None,
    errors: Mapping[str, str] | None = None,
    prefix: str = "payload",
    typed: Mapping[str, Any] | None = None,
) -> list[Field]:
    """What to draw; empty when there is nothing to say.  With `typed` (a form that came back) that stands in them."""
    if schema is None:
        return []
    root = shape_of(schema)
    draw = Drawing(schema, errors or {}, typed)
    if root.widget != GROUP:
        return [draw.one(root, prefix, MISSING if value is None else value, "Value")]
    value = {} if value is None else value
    if f"{prefix}:json" in (typed or {}) or not has_all(root, value):
        return [draw.one(root, prefix, value, "JSON")]
    return [draw.one(each, f"{prefix}.{each.name}", value.get(each.name, MISSING)) for each in root.children]


def read(schema: Any, items: Mapping[str, Any], prefix: str = "payload") -> tuple[Any, dict[str, str]]:
    """The value, and what is wrong at which path; a value with errors is not complete.  None without a schema."""
    if schema is None:
        return None, {}
    errors: dict[str, str] = {}
    value = _Reading(schema, items).one(shape_of(schema), prefix, errors)
    return (None if value is MISSING else value), errors


def placed(error: WindlassError, schema: Any, prefix: str = "payload") -> dict[str, str]:
    """What the server says of a value, at the path that it means; at the prefix itself when it names none."""
    words = error.details.fields[0].description if error.details.fields else error.message
    words = LEAD.sub("", words)
    at = AT.search(words)
    words, around = (AT.sub("", words), at["path"].strip(".")) if at else (words, "")
    root = shape_of(schema) if schema is not None else None
    if missing := MISSING_FIELD.search(words):
        return {_nearest(root, prefix, _joined(around, missing["name"])): REQUIRED}
    if (named := NAMED.fullmatch(words)) is None:
        return {_nearest(root, prefix, around): words}
    names = named["names"].split(", ")
    path = _nearest(root, prefix, _joined(around, names[0]))
    is_its_own = len(names) == 1 and path != _nearest(root, prefix, around)
    return {path: named["words"] if is_its_own else words}


def _joined(around: str, name: str) -> str:
    return f"{around}.{name}" if around else name


def _nearest(shape: Shape | None, prefix: str, path: str) -> str:
    """The path of the innermost drawn field on the way to `path`."""
    place = prefix
    for name in re.sub(r"\[[^\]]*\]", "", path).split("."):
        shape = next((each for each in shape.children if each.name == name), None) if shape else None
        if shape is None:
            break
        place = f"{place}.{name}"
    return place


class _Reading:
    def __init__(self, root: Any, items: Mapping[str, Any]) -> None:
        self._root = root
        self._items = items

    def one(self, shape: Shape, path: str, errors: dict[str, str]) -> Any:
        """MISSING for what was not given."""
        text = str(self._items.get(path, "")).replace("\r\n", "\n")
        try:
            if f"{path}:json" in self._items:
                return parse_json(text) if text.strip() else self._nothing(shape)
            if shape.widget == GROUP:
                return self._group(shape, path, errors)
            if shape.widget == FIXED:
                return constant_of(shape)
            if shape.widget == SWITCH:
                return MISSING if shape.default is (text == "true") else text == "true"
            return parse(shape, text, self._root, self._zone(path)) if text.strip() else self._nothing(shape)
        except Wrong as error:
            errors[path] = str(error)
            return MISSING

    def _nothing(self, shape: Shape) -> Any:
        if not shape.required or shape.default is not MISSING:
            return MISSING
        if shape.nullable:
            return None
        if shape.widget in (LINES, MAP) and not shape.schema.get("minItems"):
            return [] if shape.widget == LINES else {}
        raise Wrong(REQUIRED)

    def _group(self, shape: Shape, path: str, errors: dict[str, str]) -> Any:
        inside: dict[str, str] = {}
        value = {}
        for each in shape.children:
            found = self.one(each, f"{path}.{each.name}", inside)
            if found is not MISSING:
                value[each.name] = found
        is_given = any(each.widget != FIXED and each.name in value for each in shape.children)
        if not is_given and not shape.required and set(inside.values()) <= {REQUIRED}:
            return MISSING
        errors |= inside
        return value

    def _zone(self, path: str) -> Any:
        try:
            return ZoneInfo(str(self._items.get(f"{path}:zone") or "UTC"))
        except (ValueError, OSError, KeyError):
            return ZoneInfo("UTC")
