"""Writes the documents of this command line as YAML 1.2: mappings, sequences, texts, numbers, true, false and null.

A text that could be read as anything else is written as JSON writes it, which YAML reads alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

PLAIN = re.compile(r"[A-Za-z_/][A-Za-z0-9_./()@-]*(?: [A-Za-z0-9_./()@-]+)*\Z")
WORDS = ("true", "false", "null", "yes", "no", "on", "off", "y", "n")
"""What YAML, or the YAML of before 2009, does not read as text."""


def lines(value: Any, scalar: Callable[[Any], str], indent: str = "") -> Iterator[str]:
    """`scalar` writes everything but mappings, sequences and plain texts, as JSON."""
    if isinstance(value, Mapping) and value:
        for key, each in value.items():
            yield from _entry(f"{indent}{_text(str(key), scalar)}:", each, scalar, indent + "  ")
    elif _is_sequence(value) and value:
        for each in value:
            yield from _item(each, scalar, indent)
    else:
        yield indent + _short(value, scalar)


def _entry(head: str, value: Any, scalar: Callable[[Any], str], indent: str) -> Iterator[str]:
    if _is_nested(value):
        yield head
        yield from lines(value, scalar, indent)
    else:
        yield f"{head} {_short(value, scalar)}"


def _item(value: Any, scalar: Callable[[Any], str], indent: str) -> Iterator[str]:
    if not _is_nested(value):
        yield f"{indent}- {_short(value, scalar)}"
        return
    first, *rest = lines(value, scalar, indent + "  ")
    yield f"{indent}- {first[len(indent) + 2 :]}"
    yield from rest


def _short(value: Any, scalar: Callable[[Any], str]) -> str:
    if isinstance(value, str):
        return _text(value, scalar)
    if isinstance(value, Mapping):
        return "{}"
    return "[]" if _is_sequence(value) else scalar(value)


def _text(text: str, scalar: Callable[[Any], str]) -> str:
    return text if PLAIN.match(text) and text.lower() not in WORDS else scalar(text)


def _is_nested(value: Any) -> bool:
    return (isinstance(value, Mapping) or _is_sequence(value)) and bool(value)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
