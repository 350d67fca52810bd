"""What crosses the border between the store and the kernel: frozen records, nothing of any database or protocol."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from windlass.core.lifecycle import State, Verdict

T = TypeVar("T")


class NewTask(msgspec.Struct, frozen=True):
    """A request, checked and complete.  `payload` is JSON text; `delay` in seconds from now."""

    kind: str
    title: str
    priority: int
    pool: str
    trigger: str
    origin: int
    initiator: str
    labels: str
    payload: str
    attempt_limit: int | None = None
    retry_pause: float | None = None
    delay: float = 0.0
    request_id: UUID | None = None
    body_hash: bytes = b""


class Receipt(msgspec.Struct, frozen=True):
    task: int
    repeated: bool = False


class Claimed(msgspec.Struct, frozen=True):
    """A task in a node's hands.  Field order is the column order of claim_tasks.sql."""

    id: int
    attempt: int
    uncounted: int
    kind: str
    priority: int
    next_try_at: datetime
    payload: bytes
    title: str
    trigger: str
    initiator: str
    labels: bytes
    created_at: datetime
    attempt_limit: int | None
    retry_pause: float | None

    @property
    def retries(self) -> int:
        return self.attempt - self.uncounted


class Line(msgspec.Struct, frozen=True):
    """One stored line of the timeline.  type: 1 state, 2 stage, 3 step.  `data` is JSON text."""

    sequence: int
    age: float
    type: int
    text: str
    data: str | None = None


class Chunk(msgspec.Struct, frozen=True):
    """One piece of output.  stream: 1 stdout, 2 stderr."""

    sequence: int
    age: float
    stream: int
    data: bytes
    dropped: int = 0


class Progress(msgspec.Struct, frozen=True):
    sequence: int
    age: float
    current: int
    total: int | None


class Said(msgspec.Struct, frozen=True):
    """What one running attempt said since the last flush.  Ages are seconds before now."""

    task: int
    attempt: int
    started_age: float
    stage: str | None = None
    progress: Progress | None = None
    lines: tuple[Line, ...] = ()
    chunks: tuple[Chunk, ...] = ()


class Ended(msgspec.Struct, frozen=True):
    """How an attempt ended.  `started_age` is None when it never started; `pause` is seconds to the next try."""

    task: int
    attempt: int
    verdict: Verdict
    started_age: float | None
    ended_age: float = 0.0
    message: str = ""
    result: str | None = None
    pause: float = 0.0


class Settled(msgspec.Struct, frozen=True):
    """What the store made of an `Ended`: the verdict it accepted."""

    task: int
    verdict: Verdict


class Asked(msgspec.Struct, frozen=True):
    """An interrupt: which task, by whom, and why."""

    task: int
    by: str
    reason: str


class Interrupted(msgspec.Struct, frozen=True):
    state: State
    node: int | None = None


class Membership(msgspec.Struct, frozen=True):
    """A leader's right to do maintenance: checked in every such write."""

    node: int
    term: int


class NodeFacts(msgspec.Struct, frozen=True):
    """`machine` is boot and pid namespace; (pid, pid_started) names a process on it for good."""

    name: str
    machine: str
    pid: int
    pid_started: int
    kinds: tuple[str, ...]
    id: int = 0


class Beat(msgspec.Struct, frozen=True):
    term: int | None
    neighbours: tuple[NodeFacts, ...]


class TaskFacts(msgspec.Struct, frozen=True):
    """A task as it stood at the read.  Lists leave `payload` and `result` out (None)."""

    id: int
    kind: str
    title: str
    priority: int
    pool: str
    trigger: str
    origin: int
    initiator: str
    labels: bytes
    payload: bytes | None
    attempt_limit: int | None
    retry_pause: float | None
    created_at: datetime
    state: State
    attempt: int
    uncounted: int
    next_try_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    node: str | None
    stage: str | None
    progress_current: int | None
    progress_total: int | None
    message: str | None
    result: bytes | None


class AttemptFacts(msgspec.Struct, frozen=True):
    attempt: int
    verdict: Verdict
    node: str | None
    started_at: datetime | None
    ended_at: datetime | None
    message: str


class CardFacts(msgspec.Struct, frozen=True):
    task: TaskFacts
    attempts: tuple[AttemptFacts, ...]


class Watched(msgspec.Struct, frozen=True):
    """A reader's place in one task's events."""

    task: int
    after: int
    timeline_only: bool = False


class EventFacts(msgspec.Struct, frozen=True):
    """One event.  type: 1 state, 2 stage, 3 step, 4 progress, 5 output; the other fields are used as the type needs."""

    sequence: int
    at: datetime
    type: int
    state: State | None = None
    text: str = ""
    data: bytes | None = None
    node: str | None = None
    next_try_at: datetime | None = None
    current: int = 0
    total: int | None = None
    stream: int = 0
    dropped: int = 0

    @property
    def final(self) -> bool:
        return self.state is not None and self.state.final


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`after` leads to the next page; None on the last one."""

    items: tuple[T, ...]
    after: tuple[Any, ...] | None
