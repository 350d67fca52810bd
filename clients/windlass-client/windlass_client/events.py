"""What happens, as a watch tells it: one frozen value for each event, one class for each sort of event."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from windlass_client.resources import Progress, State, Task


class Stream(StrEnum):
    UNSPECIFIED = "UNSPECIFIED"
    STDOUT = "STDOUT"
    STDERR = "STDERR"


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.  A plain Event is one that a newer server knows and this library does not.

    `sequence` only grows, and is not gapless: `watch(id, after_sequence=event.sequence)` goes on behind it.
    """

    sequence: int
    attempt: int
    time: datetime | None


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """With a final state it is the last event, and `result` is what the handler returned."""

    state: State
    message: str
    node: str
    next_try: datetime | None
    result: Any


@dataclass(frozen=True, slots=True)
class StageEntered(Event):
    stage: str


@dataclass(frozen=True, slots=True)
class ProgressMade(Event):
    """Only the latest value is promised to arrive."""

    progress: Progress


@dataclass(frozen=True, slots=True)
class StepWritten(Event):
    text: str
    data: Any


@dataclass(frozen=True, slots=True)
class OutputWritten(Event):
    """Raw bytes: a chunk may end inside a character.  Just before it, `dropped` bytes were left out by the cap."""

    stream: Stream
    data: bytes
    dropped: int


@dataclass(frozen=True, slots=True)
class QueueChange:
    """How the page of a watched queue changed.  A plain one is one that this library does not know."""


@dataclass(frozen=True, slots=True)
class TaskSeen(QueueChange):
    """The task is on the page: it entered it, or changed."""

    task: Task


@dataclass(frozen=True, slots=True)
class TaskGone(QueueChange):
    """The task left the page."""

    id: int


@dataclass(frozen=True, slots=True)
class QueueCurrent(QueueChange):
    """Everything so far has been told: the page is as it stood at this time."""

    time: datetime | None
