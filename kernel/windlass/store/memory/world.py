"""What a memory store remembers: the same places as in PostgreSQL, as dictionaries.

Any number of stores (one a node) share one world.  No call awaits while it changes the world, so each is one
transaction; "committed, but the reply was lost" is the caller's fake to make.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from windlass.core.lifecycle import State, Verdict
from windlass.store.facts import EventFacts, NewTask, NodeFacts
from windlass.store.statistics import Counts


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

    @property
    def order(self) -> tuple[int, datetime, int]:
        return (-self.priority, self.next_try_at, self.id)


@dataclass(slots=True)
class Held:
    """A task in a node's hands; started once `started_at` is set."""

    place: Place
    node: int
    started_at: datetime | None = None
    interrupt_by: str | None = None
    interrupt_reason: str = ""
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
    result: bytes | None = None


@dataclass(slots=True)
class Member:
    facts: NodeFacts
    expires_at: datetime
    left: bool = False


@dataclass(slots=True)
class Leader:
    node: int
    term: int
    expires_at: datetime


@dataclass(slots=True)
class World:
    """`now` is the one clock of everything here."""

    now: Callable[[], datetime]
    tasks: dict[int, tuple[NewTask, datetime]] = field(default_factory=dict)
    ready: dict[int, Place] = field(default_factory=dict)
    deferred: dict[int, Place] = field(default_factory=dict)
    running: dict[int, Held] = field(default_factory=dict)
    tried: dict[int, list[Tried]] = field(default_factory=lambda: defaultdict(list))
    over: dict[int, Over] = field(default_factory=dict)
    events: dict[int, dict[int, EventFacts]] = field(default_factory=lambda: defaultdict(dict))
    requests: dict[UUID, tuple[bytes, int]] = field(default_factory=dict)
    nodes: dict[int, Member] = field(default_factory=dict)
    leader: Leader | None = None
    last_id: int = 0
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

    def put_back(self, place: Place, *, counted: bool) -> None:
        """Back to where it can be claimed, at its old turn."""
        self.ready[place.id] = replace(place, uncounted=place.uncounted + (not counted))
