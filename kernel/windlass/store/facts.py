"""What crosses the border between the store and the kernel: frozen records, nothing of any database or protocol."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from windlass.core.access import Role
from windlass.core.lifecycle import State, Verdict

T = TypeVar("T")


class Note(msgspec.Struct, frozen=True):
    """A privileged call, for the audit log.  `credential` is what let the caller in; `request` is JSON text."""

    subject: str
    credential: str
    role: Role
    method: str
    resource: str
    reason: str = ""
    request: str = "{}"


class NewTask(msgspec.Struct, frozen=True):
    """A request, checked and complete.  `payload` is JSON text; `delay` in seconds from now.

    `note`: its making is a privileged call, written down with it; nothing of it is kept on the task.
    """

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
    coalesce_key: str | None = None
    joins_running: bool = False
    slot_key: str | None = None
    slot_limit: int | None = None
    start_within: float | None = None
    run_limit: float | None = None
    silence_limit: float | None = None
    parent: int | None = None
    retry_of: int | None = None
    after: tuple[int, ...] = ()
    after_success: bool = False
    note: Note | None = None
    trace: str | None = None
    """What it belongs to (telemetry/traceparent.py)."""

    @property
    def stands_alone(self) -> bool:
        """Whether it can be stored without a look at other tasks."""
        return self.coalesce_key is None and not self.after


class Parent(msgspec.Struct, frozen=True):
    """The attempt that makes a child, or writes a document.

    It runs while (task, attempt, node) is what the store holds of the task.
    """

    task: int
    attempt: int
    node: int


class Sort(Enum):
    """What became of a request."""

    CREATED = "CREATED"
    JOINED = "JOINED"
    REPEATED = "REPEATED"


class Receipt(msgspec.Struct, frozen=True):
    """`task` is the one that serves the request; `joined`: how many requests have joined it, bounded at 10,000."""

    task: int
    sort: Sort = Sort.CREATED
    state: State = State.PENDING
    joined: int = 0

    @property
    def repeated(self) -> bool:
        return self.sort is Sort.REPEATED


class Claimed(msgspec.Struct, frozen=True):
    """A task in a node's hands.  Field order is the column order of claim_tasks.sql.

    `slot_key`: it holds a slot of this concurrency key.  `coalesce_key`: others may have joined it (`Queue.joined`).
    """

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
    run_limit: float | None = None
    silence_limit: float | None = None
    coalesce_key: str | None = None
    slot_key: str | None = None
    origin: int = 2
    trace: str | None = None
    joined: tuple[bytes, ...] = ()
    """Payloads of the requests that joined it, to be folded at its start; no column of the claim."""

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
    """What the store made of an `Ended`: the verdict it accepted.  `opens`: others may have waited for this one."""

    task: int
    verdict: Verdict
    opens: bool = False


class Asked(msgspec.Struct, frozen=True):
    """An interrupt: which task, by whom, and why."""

    task: int
    by: str
    reason: str


class Interrupted(msgspec.Struct, frozen=True):
    state: State
    node: int | None = None


class Promoted(msgspec.Struct, frozen=True):
    """`next_due`: seconds to the next due task, 0 when there is more to do; None when nothing is deferred.

    The flags say whether a look at blocked tasks, or at those past their deadline, is worth its statement.
    """

    moved: int
    next_due: float | None
    has_blocked: bool
    has_late: bool


class JoinedFacts(msgspec.Struct, frozen=True):
    """A request that joined a task.  `running`: it joined when the task was already under way."""

    at: datetime
    running: bool
    trigger: str
    origin: int
    initiator: str
    payload: bytes = b""


class Standing(msgspec.Struct, frozen=True):
    """Where a waiting task stands, with all that may hold it back (core/explain.py).  `waits`: see `blocked`."""

    id: int
    kind: str
    pool: str
    priority: int
    seconds_to_due: float
    waits: int | None
    is_claimed: bool
    slots: int | None
    busy: tuple[int, ...]
    pool_paused_by: str | None
    kind_paused_by: str | None
    live_nodes: int
    able_nodes: int
    slot_key: str | None
    slot_limit: int | None
    key_holders: tuple[int, ...]
    waits_for: tuple[int, ...]
    twin: int | None
    ahead: int
    draining_nodes: int = 0
    """Live nodes that have its kind and are being drained; `able_nodes` are the others."""
    agent_state: int | None = None
    """Of the agent whose pool it is (store/agents.py); None: none ever connected, or the pool is nobody's own."""
    agent_knows: bool = False
    agent_seen_at: datetime | None = None


class Membership(msgspec.Struct, frozen=True):
    """A leader's right to do maintenance: checked in every such write."""

    node: int
    term: int


class NodeFacts(msgspec.Struct, frozen=True):
    """`machine` is boot and pid namespace; (pid, pid_started) names a process on it for good.

    `draining`: it takes no more tasks until somebody resumes it.
    """

    name: str
    machine: str
    pid: int
    pid_started: int
    kinds: tuple[str, ...]
    id: int = 0
    version: str = ""
    draining: bool = False


class Beat(msgspec.Struct, frozen=True):
    """`draining`: somebody drains this node."""

    term: int | None
    neighbours: tuple[NodeFacts, ...]
    draining: bool = False


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
    parent: int | None
    retry_of: int | None
    coalesce_key: str | None
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
    trace: str | None = None


class AttemptFacts(msgspec.Struct, frozen=True):
    attempt: int
    verdict: Verdict
    node: str | None
    started_at: datetime | None
    ended_at: datetime | None
    message: str


class CardFacts(msgspec.Struct, frozen=True):
    """`joined`: the first thousand requests that joined it; payloads left out."""

    task: TaskFacts
    attempts: tuple[AttemptFacts, ...]
    joined: tuple[JoinedFacts, ...] = ()


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
