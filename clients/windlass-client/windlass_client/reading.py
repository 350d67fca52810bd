"""Protobuf messages to frozen values, by the fields of the value: they have the names of the protos.

    @dataclass(frozen=True)
    class Tick:
        id: int                      # the number at the end of the resource name
        due_time: datetime | None    # a Timestamp; None when unset
        outcome: TickOutcome         # an enum; UNSPECIFIED for a number that is newer than this library
        task: int | None             # `tasks/7`: 7; None when empty

A field that an older server does not know is unset, one that a newer server adds is not seen: neither is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import partial
from types import UnionType
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from windlass_client import convert
from windlass_client.resources import Host, Task

T = TypeVar("T")
Turn = Callable[[Any], Any]

Name = Annotated[str, "the last part of a resource name"]
"""`nightly` of `schedules/nightly`."""

PLANS: dict[type, tuple[tuple[str, Turn], ...]] = {}
"""How each field of a dataclass is read; worked out with the first message."""


def read(shape: type[T], message: Any) -> T:
    """The message as a value of this dataclass."""
    if (plan := PLANS.get(shape)) is None:
        plan = PLANS[shape] = _plan(shape, type(message))
    return shape(**{name: field(message) for name, field in plan})


def _plan(shape: Any, of: type[Message]) -> tuple[tuple[str, Turn], ...]:
    hints = get_type_hints(shape, include_extras=True)
    fields = of.DESCRIPTOR.fields_by_name
    return tuple(
        (each.name, _field(hints[each.name], fields["name" if each.name == "id" else each.name]))
        for each in dataclasses.fields(shape)
    )


def _field(hint: Any, field: Any) -> Turn:
    """From the message to the value of one field."""
    get = partial(_get, field.name)
    if hint is Any:
        return partial(convert.json_in, field=field.name)
    if get_origin(hint) is UnionType:
        turn = _turn(get_args(hint)[0], field)
        if field.has_presence:
            return lambda message: turn(get(message)) if message.HasField(field.name) else None
        return lambda message: turn(get(message)) if get(message) else None
    if get_origin(hint) is tuple:
        turn = _turn(get_args(hint)[0], field)
        return lambda message: tuple(map(turn, get(message)))
    turn = _turn(hint, field)
    return lambda message: turn(get(message))


def _get(name: str, message: Message) -> Any:
    return getattr(message, name)


def _turn(hint: Any, field: Any) -> Turn:
    """From one value of the protocol to one that users see."""
    if hint == Name:
        return convert.last_part
    if hint is int and field.type == FieldDescriptor.TYPE_STRING:
        return convert.id_of
    if hint is datetime:
        return convert.moment
    if hint is float:
        return convert.seconds
    if hint is Task:
        return convert.task
    if hint is Host:
        return convert.host
    if get_origin(hint) is Mapping:
        return dict
    if issubclass(hint, StrEnum):
        return partial(_word, hint, field.enum_type)
    is_value: bool = dataclasses.is_dataclass(hint)
    return partial(read, hint) if is_value else hint


def _word(words: type[StrEnum], enum: Any, number: int) -> StrEnum:
    return convert.word(lambda number: enum.values_by_number[number].name, number, words)
