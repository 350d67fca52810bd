"""What lists can be asked for: the fields of tasks, cards and audit entries, as filters and orders name them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from enum import Enum, IntEnum

import msgspec

from windlass.core.access import Role
from windlass.core.lifecycle import CardState, State


class Type(Enum):
    """What a field holds.  The value says how people call it."""

    TEXT = "text"
    """Unset is the empty text, as the API shows it."""
    NUMBER = "a number"
    TIME = "a time"
    DURATION = "a duration"
    CHOICE = "a choice"
    ENTRY = "an id"
    """Of a task, a card or an audit entry."""
    LABELS = "labels"
    JSON = "JSON"


class Origin(IntEnum):
    """The numbers are stored and sent."""

    USER = 1
    SYSTEM = 2


class Field(msgspec.Struct, frozen=True):
    """`choices`: what a CHOICE may be, by its short name; `collections`: what may stand before an ENTRY (`tasks/5`)."""

    name: str
    type: Type
    choices: Mapping[str, int] = {}
    collections: tuple[str, ...] = ()

    @property
    def has_order(self) -> bool:
        """Whether a list can be sorted by it as a whole."""
        return self.type not in (Type.LABELS, Type.JSON)


class Fields(msgspec.Struct, frozen=True):
    """What `entries` (a plural, for people) can be asked for.  A bare word is looked for in the `searched` ones."""

    entries: str
    by_name: Mapping[str, Field]
    searched: tuple[str, ...]

    def find(self, path: tuple[str, ...]) -> tuple[Field, tuple[str, ...]] | None:
        """The field that a path leads to, and the rest of the path, which leads into it."""
        for length in (2, 1):
            field = self.by_name.get(".".join(path[:length]))
            if field is not None and length <= len(path):
                return field, path[length:]
        return None


def nearest(word: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` when something known is near, else nothing."""
    close = difflib.get_close_matches(word.lower(), {name.lower(): name for name in known}, n=1)
    names = [name for name in known if close and name.lower() == close[0]]
    return f"; did you mean {names[0]}?" if names else ""


def _named(*fields: Field) -> dict[str, Field]:
    return {field.name: field for field in fields}


def _choices(words: type[IntEnum]) -> dict[str, int]:
    return {word.name: int(word) for word in words}


TASKS_OR_CARDS = ("tasks", "cards")


def _of_tasks(states: type[IntEnum]) -> dict[str, Field]:
    texts = ("kind", "title", "pool", "trigger", "initiator", "node", "stage", "message", "coalesce_key")
    numbers = ("priority", "attempt", "retries", "retry.attempts", "progress.current", "progress.total")
    times = ("create_time", "next_try_time", "start_time", "end_time")
    entries = ("id", "name", "parent", "retry_of")
    return _named(
        *(Field(name, Type.ENTRY, collections=TASKS_OR_CARDS) for name in entries),
        *(Field(name, Type.TEXT) for name in texts),
        *(Field(name, Type.NUMBER) for name in numbers),
        *(Field(name, Type.TIME) for name in times),
        Field("state", Type.CHOICE, _choices(states)),
        Field("origin", Type.CHOICE, _choices(Origin)),
        Field("retry.pause", Type.DURATION),
        Field("labels", Type.LABELS),
        Field("payload", Type.JSON),
        Field("result", Type.JSON),
    )


TASKS = Fields("tasks", _of_tasks(State), ("title", "kind", "id"))
CARDS = Fields("cards", _of_tasks(CardState), ("title", "kind", "id"))
AUDIT = Fields(
    "audit entries",
    _named(
        Field("id", Type.ENTRY, collections=("audit",)),
        Field("name", Type.ENTRY, collections=("audit",)),
        Field("time", Type.TIME),
        Field("role", Type.CHOICE, _choices(Role)),
        *(Field(name, Type.TEXT) for name in ("subject", "credential", "method", "resource", "reason")),
    ),
    ("subject", "method", "resource", "reason"),
)


class Section(Enum):
    """Which tasks a question is about."""

    ACTIVE = "active"
    """In the queue."""
    CARDS = "cards"
    """Tried, or handed back, at least once, or ended; `state` is the card's."""
    ENDED = "ended"

    @property
    def fields(self) -> Fields:
        """What its filters and orders may name."""
        return CARDS if self is Section.CARDS else TASKS
