"""What the server tells about tasks, as frozen values: times are aware (UTC), durations seconds, JSON is decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict


class State(StrEnum):
    """Where a task stands.  UNSPECIFIED also stands for a state that a newer server knows and this library does not."""

    UNSPECIFIED = "UNSPECIFIED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"

    @property
    def final(self) -> bool:
        """Whether it never changes any more."""
        return self in (State.COMPLETED, State.FAILED, State.CANCELED)


class CardState(StrEnum):
    """What history says: RUNNING from the first claim to the end, the waits between attempts included."""

    UNSPECIFIED = "UNSPECIFIED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"


class Origin(StrEnum):
    """Who is behind a task: a person, or the system (schedules, services)."""

    UNSPECIFIED = "UNSPECIFIED"
    USER = "USER"
    SYSTEM = "SYSTEM"


class Outcome(StrEnum):
    """How an attempt ended.  LOST: its node died.  RETURNED: a shutdown handed it back, it does not count."""

    UNSPECIFIED = "UNSPECIFIED"
    RUNNING = "RUNNING"
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    RETRY = "RETRY"
    CANCELED = "CANCELED"
    LOST = "LOST"
    RETURNED = "RETURNED"


class StepType(StrEnum):
    """STATE: the task changed its state.  STAGE: it entered a stage.  STEP: a line the handler wrote."""

    UNSPECIFIED = "UNSPECIFIED"
    STATE = "STATE"
    STAGE = "STAGE"
    STEP = "STEP"


class ReceiptStatus(StrEnum):
    """What became of an enqueue.

    REPEATED: an earlier call with the same request id had made the task.  JOINED: it joined one with the same coalesce
    key.
    """

    UNSPECIFIED = "UNSPECIFIED"
    CREATED = "CREATED"
    REPEATED = "REPEATED"
    JOINED = "JOINED"


class GateKind(StrEnum):
    """What may hold a waiting task back."""

    UNSPECIFIED = "UNSPECIFIED"
    DEPENDENCIES = "DEPENDENCIES"
    TWIN = "TWIN"
    NOT_DUE = "NOT_DUE"
    KIND_PAUSED = "KIND_PAUSED"
    POOL_PAUSED = "POOL_PAUSED"
    NO_NODE = "NO_NODE"
    KEY_BUSY = "KEY_BUSY"
    POOL_FULL = "POOL_FULL"
    AHEAD = "AHEAD"
    CLAIMED = "CLAIMED"


@dataclass(frozen=True, slots=True)
class Progress:
    """`total` is 0 when the end is not known."""

    current: int
    total: int


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The trace a task was asked for in, in W3C's words: `00-{trace id}-{span id}-{flags}`, and the vendors' own."""

    traceparent: str
    tracestate: str


@dataclass(frozen=True, slots=True)
class Host:
    """A machine, as the agent that ran there described it; `agent` is its id, `memory_bytes` 0 when it is not known."""

    agent: str
    hostname: str
    addresses: tuple[str, ...]
    os: str
    os_kernel: str
    architecture: str
    cpus: int
    memory_bytes: int
    boot_time: datetime | None
    python_version: str
    agent_version: str
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work: what was asked for, and where it stood when it was read."""

    id: int
    kind: str
    title: str
    priority: int
    pool: str
    trigger: str
    origin: Origin
    initiator: str
    labels: Mapping[str, str]
    payload: Any
    retry_attempts: int
    retry_pause: float
    created: datetime | None
    state: State
    next_try: datetime | None
    started: datetime | None
    ended: datetime | None
    attempt: int
    retries: int
    node: str
    stage: str
    progress: Progress | None
    message: str
    result: Any
    parent: int | None = None
    retry_of: int | None = None
    coalesce_key: str = ""
    trace: TraceContext | None = None
    host: Host | None = None
    """Where an agent ran it last, as it was then; lists leave it out."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Something that holds a waiting task back: in words, with what would clear it, and the first tasks in the way."""

    kind: GateKind
    why: str
    clears: str
    tasks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a task.  `started` is None when it never started, `ended` while it runs."""

    number: int
    outcome: Outcome
    node: str
    started: datetime | None
    ended: datetime | None
    message: str


@dataclass(frozen=True, slots=True)
class Card:
    """What history shows of a task; `attempts` and who `joined` it, oldest first, are left out of lists."""

    id: int
    state: CardState
    task: Task
    attempts: tuple[Attempt, ...]
    joined: tuple[Joined, ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A request that joined a task; `running`: when it was already under way."""

    time: datetime | None
    running: bool
    trigger: str
    origin: Origin
    initiator: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline; `data` is the JSON beside the text, or None."""

    sequence: int
    attempt: int
    time: datetime | None
    type: StepType
    text: str
    data: Any


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server's answer to an enqueue: the task is stored.

    JOINED: `id` and `state` are those of the task it joined, and `joined` is how many have (up to 10,000).
    """

    id: int
    status: ReceiptStatus
    state: State = State.UNSPECIFIED
    joined: int = 0


@dataclass(frozen=True, slots=True)
class BulkReceipt:
    """What a bulk action is about to do, or would do.

    `task` does it (`client.result(task)` waits for it), None for a dry run.  `matching` is counted up to 10,000,
    `is_more` says that there are more; `samples` are the first few.
    """

    task: int | None
    matching: int
    is_more: bool
    samples: tuple[Task, ...]


class TaskOptions(TypedDict, total=False):
    """What may be said about a new task beside its kind and payload; NewTask tells what each one means."""

    title: str
    priority: int | None
    pool: str
    trigger: str
    labels: Mapping[str, str]
    retry_attempts: int | None
    retry_pause: float | None
    due: datetime | None
    request_id: str | None
    coalesce_key: str | None
    concurrency_key: str | None
    concurrency_limit: int
    after: Sequence[int]
    after_success: bool
    start_within: float | None
    run_limit: float | None
    silence_limit: float | None


@dataclass(frozen=True, slots=True)
class NewTask:
    """What to enqueue.  Whatever is left out is decided by the kind.

    payload: anything JSON can say, fitting the kind.  priority: 0 to 100, the server takes 5.
    retry_attempts: how often it is tried in all.  retry_pause: seconds between attempts.
    due: not to be started before (an aware datetime).
    request_id: a UUID.  A repeated enqueue with the same id and the same task is answered with the first one's task.
    coalesce_key: requests with the same kind and key fold into one task ("": none, whatever the kind says).
    concurrency_key, concurrency_limit: no more than so many tasks with the key run at once.
    after: ids of tasks that must have ended first; after_success: and completed, else this one is canceled.
    start_within: seconds after it is due in which it must be started.
    run_limit, silence_limit: seconds after which an attempt that runs, or says nothing, is ended and tried again.
    """

    kind: str
    payload: Any = None
    title: str = field(default="", kw_only=True)
    priority: int | None = field(default=None, kw_only=True)
    pool: str = field(default="", kw_only=True)
    trigger: str = field(default="", kw_only=True)
    labels: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    retry_attempts: int | None = field(default=None, kw_only=True)
    retry_pause: float | None = field(default=None, kw_only=True)
    due: datetime | None = field(default=None, kw_only=True)
    request_id: str | None = field(default=None, kw_only=True)
    coalesce_key: str | None = field(default=None, kw_only=True)
    concurrency_key: str | None = field(default=None, kw_only=True)
    concurrency_limit: int = field(default=1, kw_only=True)
    after: Sequence[int] = field(default=(), kw_only=True)
    after_success: bool = field(default=False, kw_only=True)
    start_within: float | None = field(default=None, kw_only=True)
    run_limit: float | None = field(default=None, kw_only=True)
    silence_limit: float | None = field(default=None, kw_only=True)
