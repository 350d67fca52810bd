"""Filters as text (docs/filters.md): chips add terms to one and take them out, the search box writes one.

A term is what stands between two ` AND ` outside of quotes and parentheses.  What a term means, the server knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

PIECES = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\s+AND\s+|[()]|.""", re.DOTALL)
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
RESERVED = ("AND", "OR", "NOT")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
WORDS = re.compile(r'-?"[^"]*"?|\S+')


def terms(text: str) -> list[str]:
    """The parts that `AND` joins."""
    found, depth, last = [], 0, ""
    for piece in PIECES.findall(text.strip()):
        depth += {"(": 1, ")": -1}.get(piece, 0)
        if depth == 0 and piece.strip() == "AND" and piece != "AND":
            found.append(last.strip())
            last = ""
        else:
            last += piece
    return [term for term in [*found, last.strip()] if term]


def joined(parts: Iterable[str]) -> str:
    return " AND ".join(part for part in parts if part.strip())


def without(text: str, term: str) -> str:
    return joined(each for each in terms(text) if each != term)


def toggled(text: str, term: str, rivals: Iterable[str] = ()) -> str:
    """With this term, or without it where it was; the rivals leave in any case."""
    parts = terms(text)
    rest = [each for each in parts if each != term and each not in set(rivals)]
    return joined(rest if term in parts else [*rest, term])


def chosen(text: str, field: str) -> list[str]:
    """The values of `field = A` or `field = (A OR B)`; none when the filter says something else of it."""
    term = _term_of(text, field)
    return _values(term, field) if term else []


def toggled_choice(text: str, field: str, value: str) -> str:
    """With the value among those that the field may have, or without it where it was."""
    term, word = _term_of(text, field), literal(value)
    values = _values(term, field) if term else []
    values = [each for each in values if each != word] if word in values else [*values, word]
    new = "" if not values else f"{field} = {values[0]}" if len(values) == 1 else f"{field} = ({' OR '.join(values)})"
    parts = terms(text)
    return joined([new if each == term else each for each in parts] if term else [*parts, new])


def literal(value: str) -> str:
    """A text as a filter says it: in quotes unless it is a simple word."""
    if PLAIN.fullmatch(value) and value not in RESERVED:
        return value
    return '"' + re.sub(r'([\\"*])', r"\\\1", value) + '"'


def searched(words: str, zone: str = "") -> str:
    """What the search box means: a number is an id too, a day is when the task was made, a word is in title or type.

    `zone` is the viewer's, such as `Europe/Helsinki`; days are UTC's when it is not known.
    """
    return joined(_searched(word, zone) for word in WORDS.findall(words.replace("\0", "")))


def _searched(word: str, zone: str) -> str:
    if DAY.fullmatch(word) and (span := _day(word, zone)):
        return span
    if number := re.fullmatch(r"#?(\d{1,18})|tasks/(\d{1,18})", word):
        return number[1] if word.isdigit() else f"id = {number[1] or number[2]}"
    sign, rest = ("-", word[1:]) if word.startswith("-") and len(word) > 1 else ("", word)
    bare = rest.strip('"')
    return f'{sign}"{literal_text(bare)}"' if bare else ""


def literal_text(text: str) -> str:
    """A text for between quotes, each character for itself."""
    return re.sub(r'([\\"*])', r"\\\1", text)


def _day(word: str, zone: str) -> str:
    try:
        day = date.fromisoformat(word)
        begin = datetime.combine(day, time(), _zone(zone))
        end = datetime.combine(day + timedelta(days=1), time(), _zone(zone))
        return f"create_time >= {_moment(begin)} AND create_time < {_moment(end)}"
    except (ValueError, OverflowError):
        return ""


def _moment(local: datetime) -> str:
    return f"{local.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return UTC


def _term_of(text: str, field: str) -> str:
    return next((term for term in terms(text) if _values(term, field)), "")


def _values(term: str, field: str) -> list[str]:
    match = re.fullmatch(rf"{re.escape(field)}\s*=\s*(?:\((.*)\)|(\S+|\"(?:[^\"\\]|\\.)*\"))", term, re.DOTALL)
    if match is None:
        return []
    return [part.strip() for part in re.split(r"\s+OR\s+", match[1])] if match[1] else [match[2]]
