"""The fields of a form: what stands in each, and the words beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from windlass_console.shapes import (
    AREA,
    FIXED,
    GROUP,
    JSON,
    LINES,
    MAP,
    MISSING,
    MOMENT,
    NUMBER,
    PASSWORD,
    SELECT,
    SWITCH,
    Shape,
    constant_of,
    option,
)
from windlass_console.typed_text import range_words, write

NEVER_SHOWN = "It is kept secret: it is never shown again."


@dataclass(frozen=True, slots=True)
class Field:
    """One input.  `text` is what stands in it, `choices` are (value, words); `is_json`: it is JSON for this once."""

    path: str
    label: str
    widget: str
    text: str = ""
    hint: str = ""
    error: str = ""
    placeholder: str = ""
    required: bool = False
    rows: int = 3
    mode: str = ""
    is_json: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    fields: list[Field] = field(default_factory=list)

    @property
    def id(self) -> str:
        return "f-" + re.sub(r"[^A-Za-z0-9_-]", "-", self.path)


def has_all(shape: Shape, value: Any) -> bool:
    """Whether there is a field for everything in the value."""
    return isinstance(value, Mapping) and set(value) <= {each.name for each in shape.children}


class Drawing:
    """Fields of shapes; `typed` is a form that came back, and stands in them as it is."""

    def __init__(self, root: Any, errors: Mapping[str, str], typed: Mapping[str, Any] | None) -> None:
        self._root = root
        self._errors = errors
        self._typed = typed

    def one(self, shape: Shape, path: str, value: Any, label: str = "") -> Field:
        label = label or str(shape.schema.get("title") if shape.widget != GROUP else "") or _label(shape.name)
        label = _label(shape.name) if label in ("None", "") else label
        if self._is_json(shape, path, value):
            return self._as_json(shape, path, value, label)
        if shape.widget == GROUP:
            inner = {} if value is MISSING or value is None else value
            drawn = [self.one(each, f"{path}.{each.name}", inner.get(each.name, MISSING)) for each in shape.children]
            return Field(path, label, GROUP, hint=shape.description, error=self._error(path), fields=drawn)
        text = self._text(shape, path, value)
        return Field(
            path,
            label,
            shape.widget,
            text=text,
            hint=_hint(shape),
            error=self._error(path),
            placeholder=_placeholder(shape),
            required=shape.required and shape.default is MISSING and not shape.nullable,
            rows=_rows(shape, text),
            mode=_mode(shape),
            choices=_choices(shape),
        )

    def _is_json(self, shape: Shape, path: str, value: Any) -> bool:
        if self._typed is not None:
            return f"{path}:json" in self._typed
        if value is MISSING or value is None or shape.secret or shape.widget == JSON:
            return False
        return not has_all(shape, value) if shape.widget == GROUP else write(shape, value, self._root) is None

    def _as_json(self, shape: Shape, path: str, value: Any, label: str) -> Field:
        typed = None if self._typed is None else str(self._typed.get(path, ""))
        text = json.dumps(value, indent=2, ensure_ascii=False) if typed is None else typed
        rows = min(30, max(6, text.count("\n") + 2))
        return Field(path, label, JSON, text, shape.description, self._error(path), rows=rows, is_json=True)

    def _text(self, shape: Shape, path: str, value: Any) -> str:
        if self._typed is not None:
            return "" if shape.widget == PASSWORD else str(self._typed.get(path, ""))
        if shape.widget == FIXED:
            return option(constant_of(shape))
        if shape.widget == SWITCH:
            chosen = shape.default if value is MISSING else value
            return "true" if chosen is True else ""
        if value is MISSING or value is None or shape.secret:
            return ""
        return write(shape, value, self._root) or ""

    def _error(self, path: str) -> str:
        return self._errors.get(path, "")


def _label(name: str) -> str:
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _hint(shape: Shape) -> str:
    words = [shape.description] if shape.description else []
    if shape.secret:
        words.append(NEVER_SHOWN)
    if shape.widget == NUMBER and (said := range_words(shape.schema)):
        words.append(f"{said[:1].upper()}{said[1:]}.")
    extra = {LINES: "One per line.", MAP: "One name=value per line.", JSON: "As JSON."}
    if shape.widget in extra:
        words.append(extra[shape.widget])
    return " ".join(words)


def _placeholder(shape: Shape) -> str:
    if shape.default in (MISSING, None, "", [], {}) or shape.widget in (SELECT, SWITCH) or shape.secret:
        return ""
    return str(write(shape, shape.default, {}) or json.dumps(shape.default))


def _rows(shape: Shape, text: str) -> int:
    least = {AREA: 6, JSON: 6}.get(shape.widget, 3)
    return min(24, max(least, text.count("\n") + 2))


def _mode(shape: Shape) -> str:
    if shape.widget == MOMENT:
        return "moment"
    return {"integer": "numeric", "number": "decimal"}.get(str(shape.schema.get("type")), "")


def _choices(shape: Shape) -> tuple[tuple[str, str], ...]:
    if shape.widget != SELECT:
        return ()
    words = {True: "yes", False: "no"} if shape.schema.get("type") == "boolean" else {}
    drawn = tuple((option(each), words.get(each, option(each)) or "(empty)") for each in shape.schema["enum"])
    # An empty one among them is chosen by its own words: blank means that nothing was given.
    drawn = tuple(each for each in drawn if each[0])
    if shape.default not in (MISSING, None):
        return (("", f"{words.get(shape.default, option(shape.default)) or 'none'} (default)"), *drawn)
    return (("", "choose" if shape.required and not shape.nullable else "not given"), *drawn)
