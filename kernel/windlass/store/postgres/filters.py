"""Filters and orders in SQL.

What a filter says becomes a condition of known expressions and parameters: no value, and no word of the filter, is ever
in the text.  A statement that takes one is a file `find_*.sql` or `walk_*.sql`, with its places in braces.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg.sql import SQL, Composable, Composed, Placeholder

from windlass.core.fields import Section, Type
from windlass.core.filters import And, Comparison, Condition, Filter, Not, Operator, Or, Presence, Target
from windlass.core.literals import Ago, Pattern, Value
from windlass.core.orders import Order, Term
from windlass.store.port import Scope
from windlass.store.postgres.statements import sql

Columns = Mapping[str, LiteralString]
"""By the name of a field, its expression.  `place` and `task` are joined in every statement about tasks."""

TASK_COLUMNS: Columns = {
    "id": "place.id",
    "name": "place.id",
    "kind": "place.kind",
    "title": "task.title",
    "state": "place.state",
    "priority": "place.priority",
    "pool": "task.pool",
    "trigger": "task.trigger",
    "origin": "place.origin",
    "initiator": "task.initiator",
    "labels": "task.labels",
    "payload": "task.payload",
    "result": "place.result",
    "create_time": "task.created_at",
    "next_try_time": "case when place.state = 1 then place.next_try_at end",
    "start_time": "place.started_at",
    "end_time": "place.ended_at",
    "attempt": "place.attempt",
    "retries": "place.attempt - place.uncounted",
    "retry.attempts": "task.attempt_limit",
    "retry.pause": "task.retry_pause",
    "node": "coalesce((select name from windlass.node where node.id = place.node), '')",
    "stage": "coalesce(place.stage, '')",
    "message": "coalesce(place.message, '')",
    "progress.current": "place.progress_current",
    "progress.total": "place.progress_total",
    "parent": "task.parent",
    "retry_of": "task.retry_of",
    "coalesce_key": "coalesce(task.coalesce_key, '')",
}
CARD_COLUMNS: Columns = {**TASK_COLUMNS, "state": "greatest(place.state - 2, 1)"}
AUDIT_COLUMNS: Columns = {
    "id": "id",
    "name": "id",
    "time": "at",
    "subject": "subject",
    "credential": "credential",
    "role": "role",
    "method": "method",
    "resource": "resource",
    "reason": "reason",
}
UPPER_TO_LOWER = {ord(upper): upper.lower() for upper in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
OPERATORS: Mapping[Operator, LiteralString] = {
    Operator.EQUAL: "=",
    Operator.HAS: "=",
    Operator.LESS: "<",
    Operator.LESS_OR_EQUAL: "<=",
    Operator.GREATER: ">",
    Operator.GREATER_OR_EQUAL: ">=",
}
JSON_OPERATORS: Mapping[Operator, LiteralString] = {Operator.EQUAL: "=", Operator.HAS: "@>"}
"""Containment: what is equal, and arrays with it."""
EVERYTHING_PASSES = SQL("true")


def columns_of(section: Section) -> Columns:
    return CARD_COLUMNS if section is Section.CARDS else TASK_COLUMNS


class Asking:
    """One question: conditions of known columns, and the values they are compared with."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self.values: dict[str, Any] = {}

    def statement(self, name: str, **places: Composable) -> Composed:
        """The statement in `sql/<name>.sql` with its places filled."""
        return SQL(sql(name)).format(**places)

    def condition(self, filter: Filter, pools: Scope) -> Composable:
        """What passes the filter, in the caller's scope."""
        passes = EVERYTHING_PASSES if filter.condition is None else self._holds(filter.condition)
        if not pools:
            return passes
        return SQL("task.pool = any({}::text[]) and ({})").format(self._value(sorted(pools)), passes)

    def since(self, filter: Filter) -> Composable:
        """A time before which nothing that passes was made; null when the filter names none."""
        for part in _always(filter.condition):
            if isinstance(part, Comparison) and _is_lower_bound(part):
                return SQL("{}::timestamptz").format(self._wanted(part.value))
        return SQL("null::timestamptz")

    def order(self, order: Order) -> Composed:
        """The sort; what is unset comes last, and first in a descending one."""
        return SQL(", ").join(
            SQL("{} desc" if term.is_descending else "{}").format(self._sorted(term)) for term in order.terms
        )

    def after(self, order: Order, place: tuple[Any, ...] | None) -> Composable:
        """What comes after a place in the order."""
        if place is None:
            return EVERYTHING_PASSES
        (term, *rest), (value, *others) = order.terms, place
        beyond = self._beyond(term, value)
        if not rest:
            return beyond
        same = SQL("{} is not distinct from {}").format(self._sorted(term), self._value(value))
        later = self.after(Order(order.text, tuple(rest)), tuple(others))
        return SQL("({} or ({} and {}))").format(beyond, same, later)

    def _beyond(self, term: Term, value: Any) -> Composable:
        column = self._sorted(term)
        if value is None:
            return SQL("{} is not null").format(column) if term.is_descending else SQL("false")
        if term.is_descending:
            return SQL("{} < {}").format(column, self._value(value))
        return SQL("({0} > {1} or {0} is null)").format(column, self._value(value))

    def _sorted(self, term: Term) -> Composable:
        column = self._column(Target(term.field))
        return SQL('{} collate "C"').format(column) if term.field.type is Type.TEXT else column

    def _value(self, value: Any) -> Composable:
        name = f"f{len(self.values)}"
        self.values[name] = value
        return Placeholder(name)

    def _wanted(self, value: Value) -> Composable:
        if isinstance(value, Ago):
            return SQL("(now() - make_interval(secs => {}))").format(self._value(value.seconds))
        return self._value(value)

    def _column(self, target: Target) -> Composable:
        column: Composable = SQL("({})").format(SQL(self._columns[target.field.name]))
        if target.field.type is Type.LABELS and target.path:
            return SQL("({} ->> {}::text)").format(column, self._value(target.path[0]))
        for key in target.path:
            # By text only, so that no number leads into an array.
            column = SQL("({} -> {}::text)").format(column, self._value(key))
        return column

    def _holds(self, condition: Condition) -> Composable:
        match condition:
            case And(parts):
                return SQL("({})").format(SQL(" and ").join(map(self._holds, parts)))
            case Or(parts):
                return SQL("({})").format(SQL(" or ").join(map(self._holds, parts)))
            case Not(part):
                # What is unset compares as null, which is not true.
                return SQL("({}) is not true").format(self._holds(part))
            case Presence(target):
                return self._is_there(target)
            case Comparison(target, operator, value):
                if target.field.type is Type.JSON:
                    return self._json(self._column(target), operator, value)
                if isinstance(value, Pattern):
                    return self._text(self._column(target), operator, value, is_inside=operator is Operator.HAS)
                return self._compared(self._column(target), operator, self._wanted(value))

    def _compared(self, column: Composable, operator: Operator, value: Composable) -> Composable:
        return SQL("{} {} {}").format(column, SQL(OPERATORS[operator]), value)

    def _is_there(self, target: Target) -> Composable:
        column = self._column(target)
        match target.field.type:
            case Type.TEXT:
                return SQL("{} <> ''").format(column)
            case Type.NUMBER | Type.DURATION:
                return SQL("{} <> 0").format(column)
            case Type.LABELS if not target.path:
                return SQL("{} <> '{{}}'").format(column)
            case Type.JSON:
                return SQL("jsonb_typeof({}) <> 'null'").format(column)
            case _:
                return SQL("{} is not null").format(column)

    def _text(self, column: Composable, operator: Operator, value: Pattern, *, is_inside: bool) -> Composable:
        if is_inside:
            # Letters of other alphabets would depend on the database's locale.
            parts = (_escaped(part.translate(UPPER_TO_LOWER)) for part in value.parts)
            like = self._value(f"%{'%'.join(parts)}%")
            return SQL('lower({} collate "C") like {}').format(column, like)
        if value.exact is None:
            return SQL('{} collate "C" like {}').format(column, self._value("%".join(map(_escaped, value.parts))))
        return self._compared(SQL('{} collate "C"').format(column), operator, self._value(value.exact))

    def _json(self, value: Composable, operator: Operator, wanted: Value) -> Composable:
        if operator in JSON_OPERATORS and not (isinstance(wanted, Pattern) and wanted.exact is None):
            return SQL("{} {} to_jsonb({})").format(value, SQL(JSON_OPERATORS[operator]), self._as_json(wanted))
        holds = self._is_like(value, operator, wanted)
        if operator is not Operator.HAS:
            return holds
        element = self._is_like(SQL("element"), operator, wanted)
        array = SQL("case when jsonb_typeof({0}) = 'array' then {0} end").format(value)
        within = SQL("exists (select from jsonb_array_elements({}) as e(element) where {})").format(array, element)
        return SQL("({} or {})").format(holds, within)

    def _as_json(self, wanted: Value) -> Composable:
        if isinstance(wanted, Pattern):
            return SQL("{}::text").format(self._value(wanted.exact))
        return SQL("{}::bool" if isinstance(wanted, bool) else "{}::numeric").format(self._value(wanted))

    def _is_like(self, value: Composable, operator: Operator, wanted: Value) -> Composable:
        """JSON is compared with its own kind only; never with a boolean here."""
        kind: LiteralString
        if isinstance(wanted, Pattern):
            text = SQL("({} #>> '{{}}')").format(value)
            kind, holds = "'string'", self._text(text, operator, wanted, is_inside=False)
        else:
            kind, number = "'number'", SQL("{}::numeric").format(value)
            holds = self._compared(number, operator, self._wanted(wanted))
        return SQL("case when jsonb_typeof({}) = {} then {} end").format(value, SQL(kind), holds)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")


def _always(condition: Condition | None) -> list[Condition]:
    """The conditions that hold for everything that passes."""
    if isinstance(condition, And):
        return [part for parts in map(_always, condition.parts) for part in parts]
    return [] if condition is None else [condition]


def _is_lower_bound(comparison: Comparison) -> bool:
    beyond = (Operator.GREATER, Operator.GREATER_OR_EQUAL, Operator.EQUAL)
    return comparison.target.field.name == "create_time" and comparison.operator in beyond
