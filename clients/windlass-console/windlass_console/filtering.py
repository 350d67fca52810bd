"""Filters as text (docs/filters.md): chips add terms to one and take them out, the search box writes one.

A term is what stands between two ` AND ` outside of quotes and parentheses.  What a term means, the server knows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, tzinfo

from windlass_console.days import bounds

PIECES = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|\s+AND\s+|[()]|.""", re.DOTALL)
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
RESERVED = ("AND", "OR", "NOT")
DAY = re.compile(r"\d{4}-\d\d-\d\d")
ID = re.compile(r"#?(?:(?:tasks|cards)/)?(\d{1,18})", re.ASCII)
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
    return quoted(value)


def searched(words: str, zone: tzinfo, *, is_number_an_id: bool = False) -> str:
    """What the search box means: a number is an id too, a day is when the task was made, a word is in title or type.

    `zone`: whose days they are.  `is_number_an_id`: a number is an id and no word, for a list in which looking for a
    word takes long.
    """
    return joined(_searched(word, zone, is_number_an_id) for word in WORDS.findall(words.replace("\0", "")))


def _searched(word: str, zone: tzinfo, is_number_an_id: bool) -> str:
    if number := ID.fullmatch(word):
        return number[1] if word.isdigit() and not is_number_an_id else f"id = {number[1]}"
    if DAY.fullmatch(word) and (span := _day(word, zone)):
        return span
    sign, rest = ("-", word[1:]) if word.startswith("-") and len(word) > 1 else ("", word)
    bare = rest.strip('"')
    return f"{sign}{quoted(bare)}" if bare else ""


def quoted(text: str) -> str:
    """A text in which each character stands for itself."""
    return '"' + re.sub(r'([\\"*])', r"\\\1", text) + '"'


def _day(word: str, zone: tzinfo) -> str:
    try:
        begin, end = bounds(date.fromisoformat(word), zone)
    except (ValueError, OverflowError):
        return ""
    return f"create_time >= {begin:%Y-%m-%dT%H:%M:%SZ} AND create_time < {end:%Y-%m-%dT%H:%M:%SZ}"


def _term_of(text: str, field: str) -> str:
    return next((term for term in terms(text) if _values(term, field)), "")


def _values(term: str, field: str) -> list[str]:
    match = re.fullmatch(rf"{re.escape(field)}\s*=\s*(?:\((.*)\)|(\S+|\"(?:[^\"\\]|\\.)*\"))", term, re.DOTALL)
    if match is None:
        return []
    return [part.strip() for part in re.split(r"\s+OR\s+", match[1])] if match[1] else [match[2]]
