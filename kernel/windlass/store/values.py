"""The values of a task's, a card's or an audit entry's fields (core/fields.py), as they are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from windlass.core.fields import CARDS, Section
from windlass.core.filters import And, Comparison, Filter, Operator, Target
from windlass.core.lifecycle import State, card_state
from windlass.core.orders import Order
from windlass.store.audit import AuditEntry
from windlass.store.facts import TaskFacts

Values = Mapping[str, Callable[[Any], Any]]
"""By the name of a field, what reads it."""

TASK_VALUES: Mapping[str, Callable[[TaskFacts], Any]] = {
    "id": lambda facts: facts.id,
    "name": lambda facts: facts.id,
    "kind": lambda facts: facts.kind,
    "title": lambda facts: facts.title,
    "state": lambda facts: int(facts.state),
    "priority": lambda facts: facts.priority,
    "pool": lambda facts: facts.pool,
    "trigger": lambda facts: facts.trigger,
    "origin": lambda facts: facts.origin,
    "initiator": lambda facts: facts.initiator,
    "labels": lambda facts: facts.labels,
    "payload": lambda facts: facts.payload,
    "result": lambda facts: facts.result,
    "create_time": lambda facts: facts.created_at,
    "next_try_time": lambda facts: facts.next_try_at if facts.state is State.PENDING else None,
    "start_time": lambda facts: facts.started_at,
    "end_time": lambda facts: facts.ended_at,
    "attempt": lambda facts: facts.attempt,
    "retries": lambda facts: facts.attempt - facts.uncounted,
    "retry.attempts": lambda facts: facts.attempt_limit,
    "retry.pause": lambda facts: facts.retry_pause,
    "node": lambda facts: facts.node or "",
    "stage": lambda facts: facts.stage or "",
    "message": lambda facts: facts.message or "",
    "progress.current": lambda facts: facts.progress_current,
    "progress.total": lambda facts: facts.progress_total,
    "parent": lambda facts: facts.parent,
    "retry_of": lambda facts: facts.retry_of,
    "coalesce_key": lambda facts: facts.coalesce_key or "",
}
CARD_VALUES = {**TASK_VALUES, "state": lambda facts: int(card_state(facts.state))}
AUDIT_VALUES: Mapping[str, Callable[[AuditEntry], Any]] = {
    "id": lambda entry: entry.id,
    "name": lambda entry: entry.id,
    "time": lambda entry: entry.at,
    "subject": lambda entry: entry.note.subject,
    "credential": lambda entry: entry.note.credential,
    "role": lambda entry: int(entry.note.role),
    "method": lambda entry: entry.note.method,
    "resource": lambda entry: entry.note.resource,
    "reason": lambda entry: entry.note.reason,
}


def values_of(section: Section) -> Values:
    """What reads the fields of this section's tasks."""
    return CARD_VALUES if section is Section.CARDS else TASK_VALUES


def place_in(order: Order, values: Values, facts: Any) -> tuple[Any, ...]:
    """Where something stands in a list of this order: what the next page comes after."""
    return tuple(values[term.field.name](facts) for term in order.terms)


def of_origin(filter: Filter, origin: int | None) -> Filter:
    """The filter, for one origin only."""
    if origin is None:
        return filter
    only = Comparison(Target(CARDS.by_name["origin"]), Operator.EQUAL, origin)
    return Filter(filter.text, only if filter.condition is None else And((only, filter.condition)))
