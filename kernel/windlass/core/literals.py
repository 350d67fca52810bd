"""What a literal of a filter means, beside a field of some type."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from windlass.core.fields import Field, Type, nearest
from windlass.core.filter_grammar import Literal, characters, fault, unescaped

MOST_DIGITS = 30
LONGEST_SPAN = 36_525 * 86_400.0
"""Seconds: a hundred years."""
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
SPAN = re.compile(r"-?((\d+(?:\.\d+)?)(ms|s|m|h|d|w))+")
NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d{1,3})?")
TIME = re.compile(r"\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?)?")


class Pattern(msgspec.Struct, frozen=True):
    """A text; between its `parts` anything may stand (a `*` in the filter)."""

    parts: tuple[str, ...]

    @property
    def exact(self) -> str | None:
        """The text itself, when there is no `*` in it."""
        return self.parts[0] if len(self.parts) == 1 else None


class Ago(msgspec.Struct, frozen=True):
    """So many seconds before the store's now; negative ones lie ahead."""

    seconds: float


Value = Pattern | int | Decimal | datetime | Ago | float | bool


def pattern(literal: Literal) -> Pattern:
    """The text a literal stands for."""
    parts = [""]
    for character, is_escaped in characters(literal):
        if character == "*" and not is_escaped:
            parts.append("")
        else:
            parts[-1] += character
    return Pattern(tuple(parts))


def is_star(literal: Literal) -> bool:
    """Whether it only asks for something to be there."""
    return literal.text == "*" and not literal.is_quoted


def value(field: Field, literal: Literal) -> Value:
    """The literal as what the field holds.  Raises `FilterInvalid` when it can't be one."""
    if literal.function:
        return _called(field, literal)
    match field.type:
        case Type.TEXT | Type.LABELS:
            return pattern(literal)
        case Type.CHOICE:
            return _choice(field, literal)
        case Type.ENTRY:
            return _entry(field, literal)
        case Type.NUMBER:
            return number(literal, field.name)
        case Type.TIME:
            return _time(field, literal)
        case Type.DURATION:
            return _span(literal, field.name)
        case Type.JSON:
            return _json(literal)


def number(literal: Literal, name: str) -> int | Decimal:
    """A number, exactly as it was written."""
    if not NUMBER.fullmatch(literal.text):
        raise fault(f"{name} is a number, which {literal.text!r} is not", literal.at)
    if not literal.text.lstrip("-").isdecimal():
        found = Decimal(literal.text)
        if abs(found.adjusted()) > MOST_DIGITS:
            raise fault(f"{literal.text} is out of range", literal.at)
        return found
    if len(literal.text) > MOST_DIGITS:
        raise fault(f"numbers have at most {MOST_DIGITS} digits", literal.at)
    return int(literal.text)


def _choice(field: Field, literal: Literal) -> int:
    word = unescaped(literal)
    if word not in field.choices:
        known = f"{field.name} is one of {', '.join(field.choices)}"
        raise fault(f"{field.name} is never {word!r}{nearest(word, field.choices)}; {known}", literal.at)
    return field.choices[word]


def _entry(field: Field, literal: Literal) -> int:
    found = re.fullmatch(rf"(?:(?:{'|'.join(field.collections)})/)?(\d{{1,18}})", literal.text)
    if found is None:
        forms = " or ".join(["5", *(f"{name}/5" for name in field.collections)])
        raise fault(f"{field.name} is an id, such as {forms}, which {literal.text!r} is not", literal.at)
    return int(found[1])


def _time(field: Field, literal: Literal) -> datetime:
    text = literal.text
    if SPAN.fullmatch(text):
        raise fault(f"{field.name} is a time; write ago({text}) for {text} before now", literal.at)
    found = TIME.fullmatch(text)
    if found is None:
        raise fault(f"{field.name} is a time, such as 2026-01-31T08:00:00Z, which {text!r} is not", literal.at)
    if found[1] and not found[4]:
        raise fault(f"{text} needs its offset from UTC: {text}Z, or {text}+01:00", literal.at)
    try:
        at = datetime.fromisoformat(text.upper())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise fault(f"{text!r} is no time: {error}", literal.at) from error


def _span(literal: Literal, name: str) -> float:
    if not SPAN.fullmatch(literal.text):
        raise fault(f"{name} is a duration, such as 30s, 1.5h or 1d12h, which {literal.text!r} is not", literal.at)
    parts: Sequence[tuple[str, str]] = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)", literal.text)
    seconds = sum(float(count) * UNITS[unit] for count, unit in parts)
    if seconds > LONGEST_SPAN:
        raise fault(f"{literal.text} is more than a hundred years", literal.at)
    return -seconds if literal.text.startswith("-") else seconds


def _called(field: Field, literal: Literal) -> Ago:
    if literal.function != "ago":
        raise fault(f"there is no function {literal.function}; the only one is ago(1h)", literal.at)
    if field.type is not Type.TIME:
        raise fault(f"ago(…) is a time, and {field.name} is {field.type.value}", literal.at)
    return Ago(_span(literal, "what ago(…) takes"))


def _json(literal: Literal) -> Value:
    if literal.is_quoted:
        return pattern(literal)
    if literal.text in ("true", "false"):
        return literal.text == "true"
    if literal.text == "null":
        raise fault('to ask for what is not there write NOT payload.x:*; for the word, "null"', literal.at)
    return number(literal, "it") if NUMBER.fullmatch(literal.text) else pattern(literal)
