"""The value of what was typed into a form, and the text that a value is typed as.

`parse` raises Wrong with words for the field; `write` returns None for what its widget would not show without a loss.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from windlass_console.shapes import MISSING, MOMENT, Shape, option, resolved, without_null

LONGEST_NUMBER = 30
"""Digits of a whole one."""


class Wrong(ValueError):
    """What was typed does not fit; the words say what would."""


def parse(shape: Shape, text: str, root: Any, zone: Any = UTC) -> Any:
    """The value of what was typed, which is not blank.  Raises Wrong.  `zone`: of times that name none."""
    match shape.widget:
        case "lines":
            return _parse_lines(shape.schema, text, root)
        case "map":
            return _parse_map(shape.schema, text, root)
        case "json":
            return parse_json(text)
        case "moment":
            return _parse_moment(text, zone)
    return parse_scalar(shape.schema, text, root)


def parse_json(text: str) -> Any:
    """The value of JSON that can be sent on as it is.  Raises Wrong."""
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, parse_int=_whole)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise Wrong("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise Wrong(f"is no JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except UnicodeEncodeError:
        raise Wrong("has half of a character: \\ud800 to \\udfff come in pairs") from None
    return value


def _no_constant(word: str) -> Any:
    raise Wrong(f"is no JSON: {word} is no number of it")


def _finite(word: str) -> float:
    if not math.isfinite(number := float(word)):
        raise Wrong(f"has a number that is too large: {word[:20]}")
    return number


def _whole(word: str) -> int:
    if len(word) > LONGEST_NUMBER:
        raise Wrong(f"has a number that is too large: {word[:20]}…")
    return int(word)


def parse_scalar(part: Any, text: str, root: Any) -> Any:
    schema, _ = without_null(resolved(part, root), root)
    if "enum" in schema or "const" in schema:
        return _one_of(schema, text)
    if "anyOf" in schema:
        return _first_that_fits([resolved(each, root) for each in schema["anyOf"]], text, root)
    match schema.get("type"):
        case "integer":
            return _in_range(schema, _number(text, int, "a whole number"))
        case "number":
            return _in_range(schema, _number(text, float, "a number"))
        case "boolean":
            if text.strip().lower() not in ("true", "false"):
                raise Wrong("takes true or false")
            return text.strip().lower() == "true"
    return _fitting(schema, text)


def _one_of(schema: Mapping[str, Any], text: str) -> Any:
    known = {option(value): value for value in schema.get("enum", [schema.get("const")])}
    if text not in known:
        raise Wrong(f"takes one of {', '.join(known)}")
    return known[text]


def _first_that_fits(alternatives: list[Mapping[str, Any]], text: str, root: Any) -> Any:
    """Text is what remains: everything could be one."""
    for each in sorted(alternatives, key=lambda one: one.get("type") == "string"):
        try:
            return parse_scalar(each, text, root)
        except Wrong as error:
            last = error
    raise last


def _number(text: str, sort: type, words: str) -> Any:
    # A number of JSON, nothing more: Python would also take 1_000 and nan.
    if not re.fullmatch(r"-?\d+" if sort is int else r"-?\d+(\.\d+)?([eE][+-]?\d+)?", text.strip(), re.ASCII):
        raise Wrong(f"takes {words}")
    if sort is int:
        if len(text.strip()) > LONGEST_NUMBER:
            raise Wrong("is too large")
        return int(text)
    number = float(text)
    if not math.isfinite(number):
        raise Wrong("is too large")
    return int(number) if re.fullmatch(r"-?\d{1,15}", text.strip()) else number


def _in_range(schema: Mapping[str, Any], number: float) -> float:
    least, most = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
    above, below = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    step = schema.get("multipleOf")
    if not (least <= number <= most and above < number < below):
        raise Wrong(f"must be {range_words(schema)}")
    if step and not (math.isfinite(number / step) and math.isclose(number / step, round(number / step))):
        raise Wrong(f"must be a multiple of {step:g}")
    return number


def range_words(schema: Mapping[str, Any]) -> str:
    """ "from 1 to 100", "above 0 and at most 30"; empty without a range."""
    words = [
        f"{word} {schema[key]:,}"
        for key, word in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    if "minimum" in schema and "maximum" in schema:
        return f"from {schema['minimum']:,} to {schema['maximum']:,}"
    return " and ".join(words)


def _fitting(schema: Mapping[str, Any], text: str) -> str:
    if len(text) > schema.get("maxLength", len(text)):
        raise Wrong(f"has {len(text):,} characters; at most {schema['maxLength']:,} are taken")
    if len(text) < schema.get("minLength", 0):
        raise Wrong(f"must have at least {schema['minLength']:,} characters")
    try:
        fits = re.search(schema.get("pattern", ""), text)
    except re.error:  # another dialect: the server decides
        return text
    if not fits:
        raise Wrong(f"must look like {schema['pattern']}")
    return text


def _parse_lines(schema: Mapping[str, Any], text: str, root: Any) -> list[Any]:
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            found.append(_in_line(number, schema.get("items"), line, root))
    if len(found) > schema.get("maxItems", len(found)):
        raise Wrong(f"has {len(found)} lines; at most {schema['maxItems']:,} are taken")
    if len(found) < schema.get("minItems", 0):
        raise Wrong(f"must have at least {schema['minItems']} lines")
    return found


def _parse_map(schema: Mapping[str, Any], text: str, root: Any) -> dict[str, Any]:
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        key, sign, value = line.partition("=")
        if not sign or not key.strip():
            raise Wrong(f"line {number}: write it as name=value")
        if key.strip() in found:
            raise Wrong(f"line {number}: {key.strip()} is there twice")
        found[key.strip()] = _in_line(number, schema.get("additionalProperties"), value, root)
    return found


def _in_line(number: int, part: Any, text: str, root: Any) -> Any:
    try:
        return parse_scalar(part, text, root)
    except Wrong as error:
        raise Wrong(f"line {number}: {error}") from None


def _parse_moment(text: str, zone: Any) -> str:
    try:
        moment = datetime.fromisoformat(text.strip())
        zoned = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return zoned.astimezone(UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError):
        raise Wrong("takes a time, such as 2030-01-31T09:00") from None


def write(shape: Shape, value: Any, root: Any) -> str | None:
    """As it would be typed; None when this widget would lose something of it."""
    text = _written(shape, value)
    if text is None:
        return None
    try:
        again = parse(shape, text, root) if text.strip() else MISSING
    except Wrong:
        return text  # it does not fit: the field shows it, and says why when it is sent
    if shape.widget == MOMENT:
        return text
    same = again == value and type(again) is type(value)
    return text if same or (again is MISSING and value in ("", [], {})) else None


def _written(shape: Shape, value: Any) -> str | None:
    match shape.widget, value:
        case "lines", list():
            return None if any(isinstance(each, list | dict) for each in value) else "\n".join(map(option, value))
        case "map", dict():
            inner = any(isinstance(each, list | dict) for each in value.values())
            return None if inner else "\n".join(f"{key}={option(each)}" for key, each in value.items())
        case "json", _:
            return json.dumps(value, indent=2, ensure_ascii=False)
        case (("lines" | "map" | "group"), _):
            return None
        case _, (list() | dict()):
            return None
    return option(value)
