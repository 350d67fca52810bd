"""What a memory store remembers: the same places as in PostgreSQL, as dictionaries.

Any number of stores (one a node) share one world.  No call awaits while it changes the world, so each is one
transaction; "committed, but the reply was lost" is the caller's fake to make.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from uuid import UUID

from windlass.core.agents import is_agent_pool
from windlass.core.lifecycle import State, Verdict
from windlass.core.shares import Share
from windlass.store.agents import AgentFacts
from windlass.store.audit import AuditEntry
from windlass.store.documents import DocumentFacts
from windlass.store.facts import EventFacts, JoinedFacts, NewTask, NodeFacts, Note
from windlass.store.lanes import Entrant
from windlass.store.pools import KindFacts
from windlass.store.roster import Pause
from windlass.store.schedules import ScheduleFacts, TickFacts
from windlass.store.statistics import Counts
from windlass.store.tokens import TokenFacts

SLOT, DEPENDENCIES, TWIN = 1, 2, 3


@dataclass(slots=True)
class Place:
    """Where a task waits."""

    id: int
    kind: str
    pool: str
    priority: int
    next_try_at: datetime
    attempt: int
    uncounted: int
    origin: int
    coalesce_key: str | None = None
    slot_key: str | None = None
    slot_limit: int | None = None
    start_by: datetime | None = None
    waits: int = 0
    """The gate it is blocked at: SLOT, DEPENDENCIES or TWIN; 0 elsewhere."""

    @property
    def order(self) -> tuple[int, datetime, int]:
        return (-self.priority, self.next_try_at, self.id)


@dataclass(slots=True)
class Held:
    """A task in a node's hands; started once `started_at` is set."""

    place: Place
    node: int
    slot: int | None = None
    started_at: datetime | None = None
    interrupt_by: str | None = None
    interrupt_reason: str = ""
    interrupt_at: datetime | None = None
    stage: str | None = None
    progress: EventFacts | None = None

    @property
    def interrupted(self) -> bool:
        return self.interrupt_by is not None

    def interrupt_words(self) -> str:
        return f"interrupted by {self.interrupt_by}" + (f": {self.interrupt_reason}" if self.interrupt_reason else "")


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt that ended and was not the last."""

    attempt: int
    verdict: Verdict
    node: int
    started_at: datetime | None
    ended_at: datetime
    message: str
    next_try_at: datetime
    crashes: int = 0


@dataclass(frozen=True, slots=True)
class Over:
    """How a task ended; `node` is None when no attempt was running."""

    state: State
    attempt: int
    uncounted: int
    verdict: Verdict
    node: int | None
    started_at: datetime | None
    ended_at: datetime
    message: str
    result: bytes | None
    priority: int

    @classmethod
    def of(
        cls,
        place: Place,
        state: State,
        verdict: Verdict,
        node: int | None,
        started_at: datetime | None,
        ended_at: datetime,
        message: str,
        result: bytes | None = None,
    ) -> Over:
        """The end of the task that stood at `place`."""
        attempts = (place.attempt, place.uncounted)
        return cls(state, *attempts, verdict, node, started_at, ended_at, message, result, place.priority)


@dataclass(slots=True)
class Member:
    facts: NodeFacts
    joined_at: datetime
    renewed_at: datetime
    expires_at: datetime
    left_at: datetime | None = None
    is_lost: bool = False
    agent: AgentFacts | None = None
    """None: it is a server."""

    @property
    def left(self) -> bool:
        return self.left_at is not None

    def serves(self, pool: str) -> bool:
        """A server takes work of every pool but the agents' own, an agent of those that it names."""
        return not is_agent_pool(pool) if self.agent is None else pool in self.agent.pools


@dataclass(slots=True)
class Known:
    """An agent, by its last start."""

    facts: AgentFacts
    epoch: int
    created_at: datetime
    draining: bool = False


@dataclass(slots=True)
class Leader:
    node: int
    term: int
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Ticket:
    """A place in a lane's line."""

    entrant: Entrant
    at: datetime


@dataclass(slots=True)
class Lane:
    """`waiting` in the order of coming."""

    fence: int = 0
    holder: Entrant | None = None
    since: datetime | None = None
    waiting: list[Ticket] = field(default_factory=list)


@dataclass(slots=True)
class Pool:
    slots: int
    configured: int
    pause: Pause | None = None

    @property
    def paused_by(self) -> str | None:
        return None if self.pause is None else self.pause.by


@dataclass(frozen=True, slots=True)
class Kept:
    """The versions of a document, newest last; never none."""

    put_id: UUID
    versions: list[DocumentFacts]


@dataclass(slots=True)
class World:
    """`now` is the one clock of everything here."""

    now: Callable[[], datetime]
    tasks: dict[int, tuple[NewTask, datetime]] = field(default_factory=dict)
    ready: dict[int, Place] = field(default_factory=dict)
    deferred: dict[int, Place] = field(default_factory=dict)
    blocked: dict[int, Place] = field(default_factory=dict)
    running: dict[int, Held] = field(default_factory=dict)
    tried: dict[int, list[Tried]] = field(default_factory=lambda: defaultdict(list))
    over: dict[int, Over] = field(default_factory=dict)
    events: dict[int, dict[int, EventFacts]] = field(default_factory=lambda: defaultdict(dict))
    requests: dict[UUID, tuple[bytes, int]] = field(default_factory=dict)
    dependencies: dict[int, dict[int, bool]] = field(default_factory=dict)
    keys: dict[tuple[str, str], int] = field(default_factory=dict)
    joined: dict[int, list[JoinedFacts]] = field(default_factory=lambda: defaultdict(list))
    pools: dict[str, Pool] = field(default_factory=dict)
    shares: dict[tuple[str, int], Share] = field(default_factory=dict)
    paused_kinds: dict[str, Pause] = field(default_factory=dict)
    known_kinds: dict[str, KindFacts] = field(default_factory=dict)
    nodes: dict[int, Member] = field(default_factory=dict)
    agents: dict[str, Known] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    leader: Leader | None = None
    schedules: dict[str, ScheduleFacts] = field(default_factory=dict)
    ticks: list[TickFacts] = field(default_factory=list)
    residents: dict[tuple[str, str], int] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    documents: dict[tuple[str, str], Kept] = field(default_factory=dict)
    """By plugin and name."""
    tokens: dict[int, TokenFacts] = field(default_factory=dict)
    digests: dict[bytes, int] = field(default_factory=dict)
    last_id: int = 0
    last_tick: int = 0
    last_node: int = 0
    sets: list[tuple[int, datetime]] = field(default_factory=list)
    """The lowest id of each set of tasks, and when it was opened; the last is the present one."""
    counted: dict[tuple[int, str, str], Counts] = field(default_factory=dict)
    """By node, pool and kind; node 0 stands for all that have gone."""
    listeners: dict[object, asyncio.Queue[str]] = field(default_factory=dict)

    def say(self, word: str, speaker: object) -> None:
        """Hint to every other store of this world."""
        for listener, words in self.listeners.items():
            if listener is not speaker:
                words.put_nowait(word)

    def note(self, note: Note | None) -> None:
        """Write a privileged call down, in the transaction of its effect."""
        if note is not None:
            self.audit.append(AuditEntry(len(self.audit) + 1, self.now(), note))

    def alive(self, node: int) -> bool:
        member = self.nodes.get(node)
        return member is not None and not member.left and member.expires_at > self.now()

    def leads(self, node: int, term: int) -> bool:
        leader = self.leader
        return leader is not None and (leader.node, leader.term) == (node, term) and leader.expires_at > self.now()

    def ago(self, seconds: float) -> datetime:
        return self.now() - timedelta(seconds=seconds)

    def node_name(self, node: int | None) -> str | None:
        return None if node is None or node not in self.nodes else self.nodes[node].facts.name

    @property
    def waiting(self) -> Iterator[Place]:
        """Everything in the queue that no node holds."""
        return chain(self.ready.values(), self.deferred.values(), self.blocked.values())

    def place_of(self, task: int) -> dict[int, Place] | None:
        """Which of the three places a waiting task stands in."""
        return next((place for place in (self.ready, self.deferred, self.blocked) if task in place), None)

    def under_way(self, kind: str, key: str) -> Place | None:
        """The task of a coalesce key that was claimed before and is not over, waits between its attempts included."""
        held = (held.place for held in self.running.values())
        tried = (place for place in self.waiting if place.attempt > 0)
        return next((p for p in chain(held, tried) if (p.kind, p.coalesce_key) == (kind, key)), None)

    def slots_taken(self, slot_key: str) -> set[int]:
        return {h.slot for h in self.running.values() if h.place.slot_key == slot_key and h.slot is not None}

    def put_back(self, place: Place, *, counted: bool) -> None:
        """Back to where it can be claimed, at its old turn."""
        start_by = None if counted else place.start_by
        self.ready[place.id] = replace(place, uncounted=place.uncounted + (not counted), start_by=start_by)
