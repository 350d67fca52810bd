"""The grammar of filters (AIP-160), and what a text says by it, before anybody knows which fields there are.

Narrower than there: what is compared with stands on the right, and is a literal, a function of one, or a group of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Any

import msgspec
from lark import Lark, Token, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from windlass.errors import FilterInvalid

LONGEST = 2_000
DEEPEST = 20

# OR binds tighter than AND, and two conditions side by side are joined by AND: `a b OR c` is `a AND (b OR c)`.
GRAMMAR = r"""
start: every
every: sequence (_AND sequence)*
sequence: some+
some: term (_OR term)*
?term: _NOT simple -> negation | "-" simple -> negation | simple
?simple: member [COMPARATOR value] -> restriction | "(" every ")" -> nested | call -> stray
member: (TEXT | STRING) ("." (NAME | STRING))*
?value: one -> lone | "(" one (_OR one)* ")" -> any_of | "(" one (_AND one)+ ")" -> all_of
?one: (ARGUMENT | STRING) -> literal | call
call: FUNCTION "(" (ARGUMENT | STRING) ")"

_AND.3: /AND(?![^\s()"'])/
_OR.3: /OR(?![^\s()"'])/
_NOT.3: /NOT(?![^\s()"'])/
FUNCTION.2: /[a-z_]+(?=\()/
COMPARATOR: /<=|>=|!=|=|<|>|:/
STRING: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
TEXT: /[^-\s"'(),.=<>!:&|][^\s"'(),.=<>!:]*/
NAME: /[^\s"'(),.=<>!:]+/
ARGUMENT: /[^\s"'(),=<>!:][^\s"'(),]*/
%ignore /\s+/
"""
EXPECTED = (
    ("ARGUMENT", "a value"),
    ("NAME", "the name of a field"),
    ("TEXT", "a condition such as state = RUNNING"),
    ("COMPARATOR", "one of = != < <= > >= :"),
    ("RPAR", "a closing parenthesis"),
)


class Literal(msgspec.Struct, frozen=True):
    """What is compared with, as it was written (a string without its quotes, but with its backslashes)."""

    text: str
    at: int
    is_quoted: bool = False
    function: str = ""


class Restriction(msgspec.Struct, frozen=True):
    """A path to a field, compared with any, or all, of some literals; without an operator a word to look for."""

    path: tuple[str, ...]
    at: int
    is_quoted: bool
    operator: str = ""
    literals: tuple[Literal, ...] = ()
    is_every: bool = False
    is_group: bool = False


class Negation(msgspec.Struct, frozen=True):
    part: Syntax


class Junction(msgspec.Struct, frozen=True):
    """All of the parts, or any of them."""

    parts: tuple[Syntax, ...]
    is_every: bool


Syntax = Restriction | Negation | Junction


def read(text: str) -> Syntax | None:
    """What a filter says; None when it says nothing.  Raises `FilterInvalid` with the place it can't be read at."""
    if len(text) > LONGEST:
        raise FilterInvalid(f"the filter has {len(text)} characters; at most {LONGEST} are read", field="filter")
    if not text.strip():
        return None
    _check_parentheses(text)
    try:
        said: Syntax = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as error:
        raise _unreadable(text, error) from error
    return said


def fault(message: str, at: int) -> FilterInvalid:
    """What is wrong, with the place in the filter it is wrong at, counted from 1."""
    return FilterInvalid(f"{message} (at character {at + 1} of the filter)", field="filter", position=at + 1)


@cache
def _parser() -> Lark:
    return Lark(GRAMMAR, parser="lalr", lexer="contextual", transformer=_Reader())


class _Reader:
    """Called by the parser for each rule, with what was read of its parts."""

    def start(self, parts: list[Any]) -> Syntax:
        return parts[0]  # type: ignore[no-any-return]

    def every(self, parts: list[Any]) -> Syntax:
        return parts[0] if len(parts) == 1 else Junction(tuple(parts), is_every=True)

    sequence = every

    def some(self, parts: list[Any]) -> Syntax:
        return parts[0] if len(parts) == 1 else Junction(tuple(parts), is_every=False)

    def negation(self, parts: list[Any]) -> Syntax:
        return Negation(parts[0])

    def nested(self, parts: list[Any]) -> Syntax:
        return parts[0]  # type: ignore[no-any-return]

    def restriction(self, parts: list[Any]) -> Syntax:
        (path, at, is_quoted), operator, value = parts
        if operator is None:
            return Restriction(path, at, is_quoted)
        return Restriction(path, at, is_quoted, str(operator), *value)

    def member(self, parts: list[Token]) -> tuple[tuple[str, ...], int, bool]:
        words = [_literal(part) for part in parts]
        path = tuple(unescaped(word) if word.is_quoted else word.text for word in words)
        return path, words[0].at, words[0].is_quoted

    def lone(self, parts: list[Literal]) -> tuple[tuple[Literal, ...], bool, bool]:
        return tuple(parts), False, False

    def any_of(self, parts: list[Literal]) -> tuple[tuple[Literal, ...], bool, bool]:
        return tuple(parts), False, True

    def all_of(self, parts: list[Literal]) -> tuple[tuple[Literal, ...], bool, bool]:
        return tuple(parts), True, True

    def literal(self, parts: list[Token]) -> Literal:
        return _literal(parts[0])

    def call(self, parts: list[Token]) -> Literal:
        inner = _literal(parts[1])
        return Literal(inner.text, parts[0].start_pos or 0, inner.is_quoted, str(parts[0]))

    def stray(self, parts: list[Literal]) -> Syntax:
        name = parts[0].function
        raise fault(f"{name}(…) may only stand after a comparison, as in create_time > ago(1h)", parts[0].at)


def _literal(token: Token) -> Literal:
    is_quoted = token.type == "STRING"
    return Literal(token[1:-1] if is_quoted else str(token), token.start_pos or 0, is_quoted)


def unescaped(literal: Literal) -> str:
    """A quoted text as it is meant, stars and all."""
    return "".join(character for character, _ in characters(literal))


def characters(literal: Literal) -> list[tuple[str, bool]]:
    """The characters that are meant, and whether each was escaped.  Only quotes, stars and backslashes can be."""
    found: list[tuple[str, bool]] = []
    for match in re.finditer(r"(\\)?(.)" if literal.is_quoted else r"()(.)", literal.text, re.DOTALL):
        if match[1] and match[2] not in "\\\"'*":
            raise fault(f"{match[0]} means nothing; write \\\\ for a backslash", literal.at + 1 + match.start())
        if match[2] == "\0":
            raise fault("NUL can't be part of any text", literal.at)
        found.append((match[2], bool(match[1])))
    return found


def _check_parentheses(text: str) -> None:
    depth = 0
    for match in re.finditer(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[()]""", text, re.DOTALL):
        depth += {"(": 1, ")": -1}.get(match[0], 0)
        if depth > DEEPEST:
            raise fault(f"more than {DEEPEST} parentheses inside each other", match.start())
        if depth < 0:
            raise fault("a parenthesis is closed that was never opened", match.start())


def _unreadable(text: str, error: UnexpectedInput) -> FilterInvalid:
    at = error.pos_in_stream or 0
    if isinstance(error, UnexpectedToken):
        expected: Collection[str] = error.expected
        if error.token.type == "$END":
            return fault(f"the filter ends where {_words(expected)} should come", len(text))
        at = error.token.start_pos or 0
    else:
        expected = error.allowed if isinstance(error, UnexpectedCharacters) else ()
    rest = text[at : at + 20]
    if rest[0] in "\"'":
        return fault(f"a string begins with {rest[0]} and does not end", at)
    if rest.startswith(("&&", "||", "!", "==")):
        return fault(f"{rest[:2].strip()!r} is not known here: write AND, OR, NOT, and = to compare", at)
    return fault(f"can't go on at {rest!r}: here should come {_words(expected)}", at)


def _words(expected: Collection[str]) -> str:
    return next((words for terminal, words in EXPECTED if terminal in expected), "something else")
