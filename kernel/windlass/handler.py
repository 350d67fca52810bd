"""What a plugin implements (`Handler`), what it is handed (`Context`), and what it returns (an outcome).

The call order for one attempt: `Handler.run(ctx, payload)` once; then, whatever happened (success, failure,
exception, interrupt), `Handler.cleanup(ctx, payload)` once, under its own deadline.  Handlers are made once per node
(and once in each worker process) and shared by all tasks of their kind, so they keep no state of a task on `self`.

`run` is `async def`, or a plain `def` that may block.  Where it runs is up to its executor (`Handler.executor`).

An attempt ends in one of three ways, and each is a returned value: `Success`, `Failed`, `Retry`.  Raising `Rejected`
fails the task at once (bad input never gets better); any other exception is a retry.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, ClassVar, Generic, TypedDict, TypeVar, Unpack, get_args

import msgspec

from windlass.core.access import Role
from windlass.core.deadlines import NONE as NO_DEADLINES
from windlass.core.deadlines import Deadlines
from windlass.core.interrupts import Graces
from windlass.core.poison import USUAL_LIMIT
from windlass.core.retry import RetryPolicy
from windlass.documents import BlockingDocuments, Documents
from windlass.errors import BadHandler

P = TypeVar("P")

ROLES = (Role.SUBMITTER, Role.OPERATOR, Role.ADMIN)


class Success(msgspec.Struct, frozen=True):
    """The task is done.  `result` is anything msgspec can encode as JSON, at most 1 MiB encoded."""

    result: Any = None


class Failed(msgspec.Struct, frozen=True):
    """The task is over and did not succeed; it is not tried again."""

    message: str
    result: Any = None


class Retry(msgspec.Struct, frozen=True):
    """Try again after `after` (default: the kind's pause), unless this was the last attempt allowed."""

    message: str
    after: timedelta | None = None
    result: Any = None


Outcome = Success | Failed | Retry


class Twin(Enum):
    """What a request does whose key has a task under way (claimed, and not over)."""

    FOLLOW_UP = "follow up"
    """It becomes the one task that waits behind, so that it is served by a run that began after it."""
    JOIN = "join"
    """It joins the one that runs."""


class Concurrency(msgspec.Struct, frozen=True):
    """No more than `limit` (1 to 1000) tasks with the same `key` run at once, in the whole cluster."""

    key: str
    limit: int = 1


class Rejected(Exception):
    """Raised by a handler whose input is wrong: the task fails at once, whatever attempts were left."""


class Interrupted(BaseException):
    """Raised in a blocking handler that did not end when it was asked; let it pass.  (Async ones: CancelledError.)"""


class TaskInfo(msgspec.Struct, frozen=True):
    """What a handler may know of the task it runs.

    `attempt` only grows and is the fence; `retries` is the number people see (attempts that count).
    """

    id: int
    kind: str
    title: str
    attempt: int
    retries: int
    priority: int
    trigger: str
    initiator: str
    created: datetime
    labels: Mapping[str, str]


class Wishes(TypedDict, total=False):
    """What a handler may ask of a child.  What is left out is the kind's own, or said at `Context.enqueue`."""

    name: str | None
    title: str
    priority: int | None
    delay: float
    """Seconds from now."""
    after: Sequence[int]
    """Ids of tasks whose ends it waits for; with `after_success` it needs their success, and is canceled without."""
    after_success: bool
    coalesce_key: str | None
    """"" for none, although the handler names one."""
    concurrency: Concurrency | None
    pool: str
    labels: Mapping[str, str]
    trigger: str
    """Why it exists, in a word that people look for: `feed_update`.  Left out: `parent`, or the hook that made it."""
    attempts: int | None
    pause: float | None
    start_within: float | None
    run_limit: float | None
    silence_limit: float | None


class Lane(ABC):
    """A lane while an attempt is inside: nobody else is, on any node."""

    name: str
    fence: int
    """1 for the lane's first holder, one more for each after it.  Record it with what you publish."""

    @abstractmethod
    async def check(self) -> None:
        """Raise `AttemptSuperseded` when the lane is not this attempt's any more.  Call it right before the switch.

        A check can't stop a process that is put to sleep right after it.  What must never go backwards compares
        fences where it is kept: hand yours in when you read what you build on, and with the switch, and refuse a
        lower one there.
        """


class BlockingLane(ABC):
    """A `Lane` for a blocking handler."""

    name: str
    fence: int
    """As `Lane.fence`."""

    @abstractmethod
    def check(self) -> None:
        """As `Lane.check`."""


class Context(ABC):
    """A handler's line to the kernel during one attempt.

    Every call is buffered and fenced: it returns as soon as the line is queued (it waits only when the store lags),
    and what a superseded attempt says is refused by the store.
    """

    task: TaskInfo
    cancelled: asyncio.Event
    """Set when somebody asked for an interrupt: the polite rung of the ladder.  End soon, any way you like."""
    documents: Documents
    """Those of the handler's plugin.  What a superseded attempt writes is refused."""

    @abstractmethod
    async def stage(self, name: str) -> None:
        """Say what the task does now ("copying"); shown in lists, kept in the timeline with its duration."""

    @abstractmethod
    async def progress(self, current: int, total: int | None = None) -> None:
        """Say how far it is.  Only the latest value is kept; values between two flushes (100 ms) are folded."""

    @abstractmethod
    async def step(self, text: str, **data: Any) -> None:
        """Add one line to the timeline; `data` is kept beside it as JSON, at most 16 KiB."""

    @abstractmethod
    async def output(self, data: bytes, stream: str = "stdout") -> None:
        """Add raw output.  Kept up to the kind's `output_cap`, head and tail, with a count of what was dropped."""

    @abstractmethod
    def lane(self, name: str, waiting: str = "") -> AbstractAsyncContextManager[Lane]:
        """Publish alone: `async with ctx.lane("entities", waiting="waiting for entity writer") as lane:`.

        First come, first served, over all nodes.  `waiting` is the task's stage while it waits in line; the earlier
        one comes back after that.  Compute outside, publish inside, and make the publication short: everybody else
        waits.  One lane at a time: a second one raises `RuntimeError`.  Names are few and fixed, up to 200
        characters.  Raises `AttemptSuperseded` when another attempt holds the task.
        """

    @abstractmethod
    async def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        """Make a task whose parent is this one; its id, once it is stored.

        `payload` is a struct, a dict, or the bytes of its JSON.  A child is on behalf of whoever this task is, and has
        its priority unless it is given one.  It lives on when this task ends, and ends when this task is interrupted.

        A task may be tried again: give each child a `name`, and another attempt that asks for the same name gets the
        same child.  (Asking for something else under that name raises `RequestIdReused`.)  Without one, each call makes
        a task.

        Raises `UnknownKind`, `PayloadInvalid` and their kin for what can't be enqueued, `AttemptSuperseded` when
        another attempt holds this task, `TaskInterrupted` when somebody interrupts it: nothing is made then.  While the
        store is away it waits.
        """


class BlockingContext(ABC):
    """What a blocking `run` is handed: the words of `Context`, without `await`.

    Calls may come from any thread of the handler's, and end with its `run`.
    """

    task: TaskInfo
    cancelled: threading.Event
    """Set when somebody asked for an interrupt: look at `is_set()`, or sleep with `wait(seconds)`."""
    documents: BlockingDocuments
    """As `Context.documents`."""

    @abstractmethod
    def stage(self, name: str) -> None:
        """As `Context.stage`."""

    @abstractmethod
    def progress(self, current: int, total: int | None = None) -> None:
        """As `Context.progress`."""

    @abstractmethod
    def step(self, text: str, **data: Any) -> None:
        """As `Context.step`."""

    @abstractmethod
    def output(self, data: bytes, stream: str = "stdout") -> None:
        """As `Context.output`."""

    @abstractmethod
    def lane(self, name: str, waiting: str = "") -> AbstractContextManager[BlockingLane]:
        """As `Context.lane`: `with ctx.lane("entities") as lane:`.  An interrupt that is raised ends the wait too."""

    @abstractmethod
    def enqueue(self, kind: str, payload: object = None, **wishes: Unpack[Wishes]) -> int:
        """As `Context.enqueue`."""


class Handler(ABC, Generic[P]):
    """The code that runs tasks of one kind.  Subclass as `class Greet(Handler[GreetPayload])`."""

    kind: ClassVar[str]
    payload_type: ClassVar[Any]
    """Taken from the class's type argument; payloads are decoded and validated against it, on enqueue and at start."""

    pool: str = "default"
    """Where its tasks run.  What a setting names is set on the instance."""
    executor: ClassVar[str] = ""
    """Where it runs: "inline", "thread", "process", or one that a plugin registers.

    Empty: inline when `run` is `async def`, in a process when it is a plain `def`.
    """
    role: ClassVar[Role] = Role.SUBMITTER
    """The least role that may enqueue, schedule or retry it: SUBMITTER, OPERATOR or ADMIN.

    Above SUBMITTER it is privileged: each enqueue by a caller has a row in the audit log.  What plugins and tasks make
    by themselves is trusted.
    """
    retry: ClassVar[RetryPolicy] = RetryPolicy()
    graces: ClassVar[Graces] = Graces()
    deadlines: ClassVar[Deadlines] = NO_DEADLINES
    memory_limit: ClassVar[int | None] = None
    """Bytes that a task may take on top of what its worker process has already; only executor "process" keeps it."""
    crash_limit: ClassVar[int] = USUAL_LIMIT
    """A task whose worker died so often in 72 hours, without progress in between, fails as poison; 0: never."""
    output_cap: ClassVar[int] = 1024 * 1024
    """Bytes of output kept per attempt: half from the start, half from the end."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for generic in getattr(cls, "__orig_bases__", ()):
            if isinstance(getattr(generic, "__origin__", None), type) and issubclass(generic.__origin__, Handler):
                cls.payload_type = get_args(generic)[0]

    @abstractmethod
    def run(self, ctx: Any, payload: P) -> Outcome | Awaitable[Outcome]:
        """Do the work: `async def run(self, ctx: Context, …)`, or `def run(self, ctx: BlockingContext, …)`.

        On the node's event loop (executor "inline") it must never block: that belongs in a process or a thread.
        """

    async def cleanup(self, ctx: Context, payload: P) -> None:
        """Tidy up after any end, within `graces.cleanup`; an exception here is logged in the timeline.

        It runs on the node's event loop wherever `run` did, so it finds nothing that a worker process kept in memory.
        """

    running_twin: ClassVar[Twin] = Twin.FOLLOW_UP

    def coalesce_key(self, payload: P) -> str | None:
        """Requests with the same key fold into one task; None: this one stands alone.  The caller may name another."""
        return None

    def merge(self, payload: P, other: P) -> P:
        """Fold a later request of the same key into an earlier one.  As it stands, the later one replaces it.

        Called on the node's event loop when an attempt starts: it only computes.  One that raises fails the task.
        """
        return other

    def concurrency(self, payload: P) -> Concurrency | None:
        """The key whose tasks must not all run at once; None: no limit but the pool's."""
        return None

    def title(self, payload: P) -> str:
        """What people see in lists when the caller gave no title; empty means "Untitled"."""
        return ""


def check_handler(handler: object) -> Handler[Any]:
    """The handler, when it keeps the contract; `BadHandler` with what to mend otherwise."""
    if not isinstance(handler, Handler):
        raise BadHandler(f"{handler!r} is not a windlass.Handler: register instances of its subclasses")
    name = type(handler).__name__
    if not isinstance(getattr(handler, "kind", None), str) or not handler.kind:
        raise BadHandler(f'{name} has no kind: set `kind = "…"` on the class')
    if getattr(handler, "payload_type", None) is None:
        raise BadHandler(f"{name} does not name its payload: subclass Handler[YourPayload]")
    if handler.role not in ROLES:
        known = ", ".join(f"Role.{role.name}" for role in ROLES)
        raise BadHandler(f"{name}.role must be one of {known}, not {handler.role!r}")
    if not inspect.iscoroutinefunction(handler.cleanup):
        raise BadHandler(f"{name}.cleanup must be `async def`: it runs on the node's event loop")
    return handler


def is_blocking(handler: Handler[Any]) -> bool:
    """Whether its `run` is a plain `def`."""
    return not inspect.iscoroutinefunction(handler.run)
