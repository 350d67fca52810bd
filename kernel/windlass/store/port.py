"""The Store contract: what the kernel asks of whatever remembers its tasks.

Small contracts, because different callers use them: `Queue` (tasks move), `Cluster` (nodes live and die), `Library`
(people read), and in files of their own `Pools` (who may run how much), `Lanes` (one publishes at a time), `Schedules`
and `Residents` (work that nobody asked for), `Upkeep` (what is old goes), `Statistics` (what is counted), `Survey` (the
whole at a glance), `Roster` (who works), `Audit` (who did what), `Tokens` (who may), `Documents` (what plugins keep)
and `Agents` (who works from afar).  A `Store` is one of each over the same memory.

Rules for every implementation:

- Each call is one atomic change, durable when it returns.  A call that raises `StoreUnavailable` may or may not have
  happened; every call is written so that making it again is right.
- Time is the store's own clock.  Callers say how long ago something happened (seconds, from their monotonic clock),
  never when, so that no caller's wall clock is trusted.
- A call that takes a `note` writes it into the audit log in the transaction of its effect; without an effect nothing is
  written.
- Writes of an execution carry (task, attempt, node) and are refused once the attempt is superseded or the node has
  left.  Refused items are left out of what is returned; nothing is raised for them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence

from windlass.core.fields import Section
from windlass.core.filters import EVERYTHING, Filter
from windlass.core.lifecycle import State
from windlass.core.orders import OWN, Order
from windlass.core.sequence import sequence
from windlass.errors import RequestIdReused
from windlass.store.agents import Agents
from windlass.store.audit import Audit
from windlass.store.documents import Documents
from windlass.store.facts import (
    Asked,
    Beat,
    CardFacts,
    Claimed,
    Ended,
    EventFacts,
    Interrupted,
    JoinedFacts,
    Membership,
    NewTask,
    NodeFacts,
    Note,
    Page,
    Parent,
    Promoted,
    Receipt,
    Said,
    Settled,
    Standing,
    TaskFacts,
    Watched,
)
from windlass.store.lanes import Lanes
from windlass.store.pools import Pools
from windlass.store.residents import Residents
from windlass.store.roster import Roster
from windlass.store.schedules import Schedules
from windlass.store.statistics import ConnectionFacts, Statistics
from windlass.store.survey import Survey
from windlass.store.tokens import Tokens
from windlass.store.upkeep import Upkeep

Answer = Receipt | RequestIdReused
Scope = frozenset[str]
"""Names of pools: tasks of other pools do not exist for whoever asks.  Empty means all."""
LAST_SEQUENCE = 2**63 - 1
ALL_POOLS: Scope = frozenset()
MOST_COUNTED = 10_000
MOST_OUTPUT_BYTES = 1_000_000
"""Of the pages of `Library.output`, but for one chunk."""


class Work(ABC):
    """What whoever runs tasks asks: a node of the store itself, an agent of a kernel.  Takes and returns batches."""

    @abstractmethod
    async def claim(self, node: int, pool: str, kinds: Sequence[str], limit: int) -> list[Claimed]:
        """Take up to `limit` due tasks, best first (priority descending, next try, id); raises their attempt.

        Returns nothing when the node's lease has run out, or the pool is paused.  Rows that another claimer holds at
        that instant are passed over, and so are paused kinds.  Never more of a concurrency key than its limit.
        """

    @abstractmethod
    async def reclaim(self, node: int, pool: str, known: Sequence[int]) -> list[Claimed]:
        """What `node` holds of a pool, has not started, and does not know of: claims whose answer was lost."""

    @abstractmethod
    async def joined(self, tasks: Sequence[int]) -> dict[int, list[JoinedFacts]]:
        """The requests that joined these tasks, in the order of their coming.

        Asked after the claim, it misses nobody who was told that he joined a waiting task.
        """

    @abstractmethod
    async def say(self, node: int, said: Sequence[Said]) -> set[int]:
        """Record starts, stages, progress, steps and output of running attempts; returns the tasks accepted."""

    @abstractmethod
    async def finish(self, node: int, ended: Sequence[Ended]) -> list[Settled]:
        """Accept how attempts ended.  One whose task was interrupted is settled as CANCELED, whatever it says."""

    @abstractmethod
    async def interrupts(self, node: int) -> list[Asked]:
        """The interrupts asked of tasks that `node` runs.  They stay listed until the task ends."""


class Queue(Work):
    """How tasks move.  Everything takes and returns batches."""

    @abstractmethod
    async def enqueue(self, tasks: Sequence[NewTask]) -> list[Receipt]:
        """Store all of them, or none and raise.  Receipts come in the order of the tasks.

        A `request_id` seen before with the same body returns the first task; with another body, `RequestIdReused`.
        A request with a coalesce key joins the task of its kind and key that nobody has claimed yet; while one is under
        way, it joins that one (`joins_running`) or becomes the one follow-up, which waits for its end.  A task `after`
        others waits for their ends; raises `TaskNotFound` when one of them does not exist.  A request that joins brings
        its payload, and nothing to wait for.
        """

    @abstractmethod
    async def enqueue_each(self, tasks: Sequence[NewTask]) -> list[Answer]:
        """The same for tasks of different callers: one commit, but each stands for itself."""

    @abstractmethod
    async def enqueue_children(self, parent: Parent, children: Sequence[NewTask]) -> list[Receipt]:
        """`enqueue`, by a running attempt.  Raises `AttemptSuperseded` when it runs no more, or is another's.

        Raises `TaskInterrupted` once its task is being interrupted: so the children there are when `interrupt` returns
        are all there will be.  Both are checked in the same transaction, and nothing is stored then.
        """

    @abstractmethod
    async def interrupt(self, ask: Asked, note: Note | None = None) -> Interrupted:
        """Cancel a waiting task at once, or flag a running one.  Raises `TaskNotFound` or `TaskOver`."""

    @abstractmethod
    async def reprioritize(self, task: int, priority: int, note: Note | None = None) -> State:
        """A new priority for a task in the queue; its state then.  Raises `TaskNotFound` or `TaskOver`."""

    @abstractmethod
    async def promote(self, membership: Membership, limit: int) -> Promoted | None:
        """Move due tasks to the claimable ones.  Only the leader's: None when the term is over."""

    @abstractmethod
    async def release(self, limit: int = 1_000) -> int:
        """Let blocked tasks go whose gate has opened; how many became claimable.

        Asked by whoever may have opened a gate, after his commit, and by the leader once a second.
        """

    @abstractmethod
    async def expire(self, membership: Membership, limit: int) -> int:
        """Fail the tasks that nobody started by their deadline.  Only the leader's: 0 when the term is over."""


class Cluster(ABC):
    """How nodes live and die."""

    @abstractmethod
    async def join(self, node: NodeFacts, lease: float) -> int:
        """A new node with a live lease; its id is its epoch and is never given out again."""

    @abstractmethod
    def renew(self, node: int, lease: float) -> bool:
        """Extend the lease; False when it has run out or the node has left.

        Blocking, because it is called from the heartbeat's own thread: a blocked event loop must not cost the lease.
        """

    @abstractmethod
    async def leave(self, node: int) -> None:
        """Give up the lease.  What the node still holds is for recovery."""

    @abstractmethod
    async def beat(self, node: int, lease: float) -> Beat:
        """Try for leadership, and look around: my term (None when another leads), the other nodes on my machine, and
        whether I am drained.
        """

    @abstractmethod
    async def drain(self, node: int, *, draining: bool, note: Note | None = None) -> None:
        """Let a node take no more tasks, or take them again; it hears of it at its next beat; hints `node/<id>`.

        Raises `NodeNotFound`, or `NodeGone` when it has left or its lease has run out.
        """

    @abstractmethod
    async def recover(self, dead: int | None = None, crash_limits: Mapping[str, int] | None = None) -> int:
        """Take back what lost nodes hold and return how many tasks that were.

        Lost is a node whose lease has run out, or `dead`, whose process is proved gone.  The check is part of the
        same write: a task that finished or was claimed again meanwhile is not touched.  A task whose chain of crashes
        reaches its kind's limit (core/poison.py; 3 for kinds not named) fails.
        """


class Library(ABC):
    """How people read.  Pages are keysets; nothing counts rows, but `count_matching`, and that has an end.

    `pools` is the caller's scope.  A task never changes its pool: who has seen it in a scoped read may go on by its id.
    A question by filter or order that looks through too much raises `FilterTooBroad`.
    """

    @abstractmethod
    async def task(self, task: int, pools: Scope = ALL_POOLS) -> TaskFacts | None: ...

    @abstractmethod
    async def active(
        self,
        size: int,
        after: tuple[object, ...] | None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        """Tasks in the queue: running first, then waiting in claim order, unless `order` says otherwise.

        `after` belongs to the filter and the order.
        """

    @abstractmethod
    async def cards(
        self,
        size: int,
        after: tuple[object, ...] | None,
        origin: int | None = None,
        filter: Filter = EVERYTHING,
        order: Order = OWN,
        pools: Scope = ALL_POOLS,
    ) -> Page[TaskFacts]:
        """Tasks that were tried, or handed back, at least once, and those that have ended; newest first."""

    @abstractmethod
    async def ids_matching(
        self, filter: Filter, section: Section, after: int, limit: int, pools: Scope = ALL_POOLS
    ) -> list[int]:
        """Up to `limit` ids above `after`, ascending.  The filter is one of `section.fields`."""

    @abstractmethod
    async def count_matching(
        self, filter: Filter, section: Section, cap: int = MOST_COUNTED, pools: Scope = ALL_POOLS
    ) -> int:
        """How many match; `cap` + 1 stands for any more than `cap`."""

    @abstractmethod
    async def card(self, task: int, pools: Scope = ALL_POOLS) -> CardFacts | None:
        """One task with its attempts; None when there is no such task, or nobody has claimed it yet."""

    @abstractmethod
    async def output(
        self, task: int, after: int, limit: int, attempt: int | None = None, stream: int | None = None
    ) -> Page[EventFacts]:
        """Up to `limit` chunks after a sequence, in order, of one attempt and one stream when they are named.

        Fewer once they are `MOST_OUTPUT_BYTES` together, but at least one.
        """

    @abstractmethod
    async def request(self, task: int) -> NewTask | None:
        """What was asked, to be asked again: without its dependencies, its parent and its request id."""

    @abstractmethod
    async def children(self, task: int, limit: int, after: int = 0) -> list[int]:
        """The tasks in the queue that this one is the parent of, with ids above `after`, oldest first."""

    @abstractmethod
    async def standing(self, task: int) -> Standing | None:
        """Everything that may hold a waiting task back; None when it does not wait."""

    @abstractmethod
    async def events(
        self, watched: Sequence[Watched], limit: int, portion: int | None = None
    ) -> dict[int, list[EventFacts]]:
        """For each watched task up to `limit` events after its sequence, in order.  One query for all of them.

        `portion`: about so many bytes of text, data and output a task, and at least one event.
        """


def output_bounds(after: int, attempt: int | None) -> tuple[int, int]:
    """The sequences that the chunks of an attempt (or of all) stand between, after a place."""
    if attempt is None:
        return after, LAST_SEQUENCE
    return max(after, sequence(attempt, 0) - 1), sequence(attempt + 1, 0)


class Store(ABC):
    queue: Queue
    cluster: Cluster
    library: Library
    pools: Pools
    schedules: Schedules
    residents: Residents
    lanes: Lanes
    documents: Documents
    upkeep: Upkeep
    statistics: Statistics
    survey: Survey
    audit: Audit
    roster: Roster
    tokens: Tokens
    agents: Agents

    @abstractmethod
    def hints(self) -> AsyncIterator[str]:
        """Words that something may have changed, said through another store than this one.

        `ready`: something can be claimed, `ready/feeds`: in that pool; `later`: something will be due; `interrupt`:
        somebody asked for one; `schedule`: one was changed; `lane`: somebody left a lane, or its line; `pool`: shares
        may change; `gate`: something blocked may be free; `access`: a token was revoked; `node/7`: that node was
        drained or resumed, `agent/web-01`: that agent was.  May miss some; the look is the truth.

        An empty word comes after each (re)connection: look at everything once.
        """

    @abstractmethod
    async def ping(self) -> None:
        """One round trip.  Raises `StoreUnavailable`."""

    def connections(self) -> ConnectionFacts | None:
        """How this process's connections fare, from memory; None where there are none."""
        return None

    @abstractmethod
    async def close(self) -> None: ...
