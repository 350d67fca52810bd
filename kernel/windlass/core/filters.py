"""Filters: which tasks, cards or audit entries a list is asked for.

`parse_filter` reads the text once into conditions of known fields and typed values.  A store turns those into its own
question; nothing of the text reaches it.  What a condition means is the same everywhere:

- An unset text is the empty one.  Every comparison with anything else that is unset is false, and its negation true.
- Texts are compared by their characters' numbers; CONTAINS takes A to Z for a to z, and no other letters.
- JSON is compared with what is of the same kind: a number with numbers, a text with texts.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import msgspec

from windlass.core.fields import Field, Fields, Type, nearest
from windlass.core.filter_grammar import Junction, Literal, Negation, Restriction, Syntax, fault, read
from windlass.core.literals import Pattern, Value, is_star, pattern, value

MOST_CONDITIONS = 100


class Operator(Enum):
    EQUAL = "="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    HAS = ":"
    """In a text: contains it.  In JSON: is it, or is an array with it."""


class Target(msgspec.Struct, frozen=True):
    """A field, or what a path leads to within it: one label, or a value in JSON."""

    field: Field
    path: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True):
    target: Target
    operator: Operator
    value: Value


class Presence(msgspec.Struct, frozen=True):
    """It is there: a text is not empty, a number not 0, a label set, a JSON value not null."""

    target: Target


class Not(msgspec.Struct, frozen=True):
    part: Condition


class And(msgspec.Struct, frozen=True):
    parts: tuple[Condition, ...]


class Or(msgspec.Struct, frozen=True):
    parts: tuple[Condition, ...]


Condition = Comparison | Presence | Not | And | Or


class Filter(msgspec.Struct, frozen=True):
    """`text` is what was asked, for page tokens; without a condition everything passes."""

    text: str = ""
    condition: Condition | None = None


EVERYTHING = Filter()


def parse_filter(text: str, fields: Fields) -> Filter:
    """What a filter asks of these fields.  Raises `FilterInvalid`: where, what is near, what may stand."""
    said = read(text)
    return EVERYTHING if said is None else Filter(text, _Binder(fields).condition(said))


class _Binder:
    """Turns what was said into conditions of fields that there are."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields
        self._left = MOST_CONDITIONS

    def condition(self, said: Syntax) -> Condition:
        match said:
            case Negation(part):
                return Not(self.condition(part))
            case Junction(parts, is_every):
                return _joined([self.condition(part) for part in parts], is_every=is_every)
            case Restriction():
                self._count(said)
                return self._restriction(said) if said.operator else self._search(said)

    def _count(self, said: Restriction) -> None:
        self._left -= len(said.literals) or 1
        if self._left < 0:
            raise fault(f"more than {MOST_CONDITIONS} conditions", said.at)

    def _search(self, said: Restriction) -> Condition:
        """A word by itself: in any of the fields that are searched."""
        word = ".".join(said.path)
        if not said.is_quoted:
            self._refuse_no_word(said, word)
        wanted = pattern(Literal(word, said.at))
        found: list[Condition] = []
        for field in (self._fields.by_name[name] for name in self._fields.searched):
            if field.type is Type.TEXT:
                found.append(Comparison(Target(field), Operator.HAS, wanted))
            elif word.isdecimal() and len(word) <= 18:
                found.append(Comparison(Target(field), Operator.EQUAL, int(word)))
        return _joined(found, is_every=False)

    def _refuse_no_word(self, said: Restriction, word: str) -> None:
        if word.lower() in ("and", "or", "not"):
            raise fault(f'write {word.upper()} in capitals, or "{word}" to look for the word', said.at)
        if word in self._fields.by_name:
            raise fault(f'{word} is a field: compare it with something, or write "{word}" for the word', said.at)

    def _restriction(self, said: Restriction) -> Condition:
        found = self._fields.find(said.path)
        if found is None:
            raise self._unknown(said)
        target = Target(*found)
        self._check_path(target, said)
        if said.is_group and said.operator not in ("=", ":"):
            raise fault(f"a group may stand after = or :, not after {said.operator}", said.at)
        parts = [self._comparison(target, said, literal) for literal in said.literals]
        return _joined(parts, is_every=said.is_every)

    def _unknown(self, said: Restriction) -> Exception:
        name, known = ".".join(said.path), sorted(self._fields.by_name)
        there_are = f"there are {', '.join(known)}"
        return fault(f"{self._fields.entries} have no field {name!r}{nearest(name, known)}; {there_are}", said.at)

    def _check_path(self, target: Target, said: Restriction) -> None:
        name, type_ = target.field.name, target.field.type
        if target.path and type_ not in (Type.LABELS, Type.JSON):
            raise fault(f"{name} is {type_.value}: nothing is in it", said.at)
        if type_ is Type.LABELS and len(target.path) > 1:
            key = ".".join(target.path)
            raise fault(f'labels have no labels in them; a key with dots is quoted: labels."{key}"', said.at)
        if type_ is Type.LABELS and not target.path and said.operator != ":":
            raise fault(f"one label is compared: {name}.KEY {said.operator} …, or {name}:KEY", said.at)

    def _comparison(self, target: Target, said: Restriction, literal: Literal) -> Condition:
        if said.operator == ":":
            return self._has(target, literal)
        if said.operator == "!=":
            return Not(Comparison(target, Operator.EQUAL, value(target.field, literal)))
        wanted, operator = value(target.field, literal), Operator(said.operator)
        if operator is not Operator.EQUAL:
            self._check_order(target.field, operator, wanted, literal)
        return Comparison(target, operator, wanted)

    def _check_order(self, field: Field, operator: Operator, wanted: Value, literal: Literal) -> None:
        if field.type is Type.CHOICE or isinstance(wanted, bool):
            raise fault(f"{field.name} {operator.value} … says nothing here: only = and != do", literal.at)
        if isinstance(wanted, Pattern) and wanted.exact is None:
            raise fault(f'a * may stand after = != and :, not after {operator.value}; "\\*" is the star', literal.at)

    def _has(self, target: Target, literal: Literal) -> Condition:
        if is_star(literal):
            return Presence(target)
        if target.field.type in (Type.LABELS, Type.JSON) and not target.path:
            key = pattern(literal).exact
            if key is None or literal.function:
                raise fault(f"{target.field.name}:KEY takes the name of a key", literal.at)
            return Presence(Target(target.field, (key,)))
        has = Operator.HAS if target.field.type in (Type.TEXT, Type.JSON) else Operator.EQUAL
        return Comparison(target, has, value(target.field, literal))


def _joined(parts: Sequence[Condition], *, is_every: bool) -> Condition:
    if len(parts) == 1:
        return parts[0]
    return And(tuple(parts)) if is_every else Or(tuple(parts))
