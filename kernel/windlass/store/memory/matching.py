"""Filters and orders over facts: what `store/postgres/filters.py` asks the database, worked out here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cmp_to_key
from typing import Any

from windlass.core.fields import Type
from windlass.core.filters import And, Comparison, Condition, Filter, Not, Operator, Or, Presence, Target
from windlass.core.literals import Ago, Pattern, Value
from windlass.core.orders import Order
from windlass.store.values import Values, place_in

UPPER_TO_LOWER = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
COMPARED: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: lambda one, other: one == other,
    Operator.HAS: lambda one, other: one == other,
    Operator.LESS: lambda one, other: one < other,
    Operator.LESS_OR_EQUAL: lambda one, other: one <= other,
    Operator.GREATER: lambda one, other: one > other,
    Operator.GREATER_OR_EQUAL: lambda one, other: one >= other,
}


def passes(filter: Filter, values: Values, facts: Any, now: datetime) -> bool:
    """Whether these facts are among those asked for."""
    return filter.condition is None or _holds(filter.condition, values, facts, now)


def ordered(items: list[Any], order: Order, values: Values, after: tuple[Any, ...] | None) -> list[Any]:
    """Those that come after a place in the order, in order."""

    def compare(one: tuple[Any, ...], other: tuple[Any, ...]) -> int:
        for term, a, b in zip(order.terms, one, other, strict=True):
            if a != b:
                # What is unset comes last.
                comes_first = b is None or (a is not None and a < b)
                return -1 if comes_first is not term.is_descending else 1
        return 0

    placed = [(place_in(order, values, item), item) for item in items]
    if after is not None:
        placed = [(place, item) for place, item in placed if compare(place, after) > 0]
    by_place = cmp_to_key(compare)
    placed.sort(key=lambda one: by_place(one[0]))
    return [item for _, item in placed]


def _holds(condition: Condition, values: Values, facts: Any, now: datetime) -> bool:
    match condition:
        case And(parts):
            return all(_holds(part, values, facts, now) for part in parts)
        case Or(parts):
            return any(_holds(part, values, facts, now) for part in parts)
        case Not(part):
            return not _holds(part, values, facts, now)
        case Presence(target):
            return _is_there(target, _read(target, values, facts))
        case Comparison(target, operator, value):
            found = _read(target, values, facts)
            wanted = now - timedelta(seconds=value.seconds) if isinstance(value, Ago) else value
            return found is not None and _compares(target.field.type, found, operator, wanted)


def _read(target: Target, values: Values, facts: Any) -> Any:
    found = values[target.field.name](facts)
    if target.field.type not in (Type.LABELS, Type.JSON):
        return found
    inner = None if found is None else json.loads(found, parse_float=Decimal)
    for key in target.path:
        inner = inner.get(key) if isinstance(inner, dict) else None
    return inner


def _is_there(target: Target, found: Any) -> bool:
    if target.field.type in (Type.TEXT, Type.NUMBER, Type.DURATION):
        return bool(found)
    if target.field.type is Type.LABELS and not target.path:
        return bool(found)
    return found is not None


def _compares(type_: Type, found: Any, operator: Operator, wanted: Value | datetime) -> bool:
    if type_ is Type.JSON:
        elements = found if operator is Operator.HAS and isinstance(found, list) else [found]
        return any(_is_like(element, operator, wanted) for element in elements)
    if isinstance(wanted, Pattern):
        return _text(found, operator, wanted, is_inside=operator is Operator.HAS)
    return COMPARED[operator](found, wanted)


def _is_like(found: Any, operator: Operator, wanted: Any) -> bool:
    """JSON is compared with its own kind only."""
    if isinstance(wanted, Pattern):
        return isinstance(found, str) and _text(found, operator, wanted, is_inside=False)
    if isinstance(found, bool) or isinstance(wanted, bool):
        return found is wanted
    return isinstance(found, (int, Decimal)) and COMPARED[operator](found, wanted)


def _text(found: str, operator: Operator, wanted: Pattern, *, is_inside: bool) -> bool:
    if operator not in (Operator.EQUAL, Operator.HAS):
        return COMPARED[operator](found, wanted.exact)
    between = ".*".join(re.escape(part.translate(UPPER_TO_LOWER) if is_inside else part) for part in wanted.parts)
    if is_inside:
        return re.search(between, found.translate(UPPER_TO_LOWER), re.DOTALL) is not None
    return re.fullmatch(between, found, re.DOTALL) is not None
