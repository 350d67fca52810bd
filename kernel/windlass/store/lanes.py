"""The Lanes contract: named single-writer resources, first come first served over all nodes.

A lane is held by one attempt at a time.  Each new holder gets the next fence (1, 2, 3, …), which only grows and has no
gaps.  A lane is free when its holder left it, or no longer runs: so nothing here has to be cleaned up for a node that
died, and nobody waits for a leader.

`enter` is the truth and may be called any number of times; `called` says cheaply whom it is worth calling for.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from datetime import datetime

import msgspec


class Entrant(msgspec.Struct, frozen=True):
    """An attempt at the door of a lane.  It runs while (task, attempt, node) is what the store holds of the task."""

    lane: str
    task: int
    attempt: int
    node: int


class Turn(msgspec.Struct, frozen=True):
    """Where an entrant stands.  `fence` is None while it waits; `position` is then 1 for the next one, and 0 inside.

    `holder` is the task that has the lane; None when it is free and somebody else is next.
    """

    fence: int | None
    position: int
    holder: int | None


class Standing(msgspec.Struct, frozen=True):
    """An attempt inside or before a lane, for people; `node` is its name, `since` when it came to where it stands."""

    task: int
    attempt: int
    node: str | None
    since: datetime


class LaneFacts(msgspec.Struct, frozen=True):
    """`fence` is the last one given out; `waiters` come in the order of their turns."""

    name: str
    fence: int
    holder: Standing | None
    waiters: tuple[Standing, ...]


class Entrances(ABC):
    """What whoever runs tasks asks of the lanes."""

    @abstractmethod
    async def enter(self, entrant: Entrant) -> Turn:
        """Take the lane when it is free and this entrant is next, else stand in line.

        Calling it again changes nothing but that: inside it gives the same fence, in line the same ticket.  Raises
        `AttemptSuperseded` when the entrant no longer runs.
        """

    @abstractmethod
    async def leave(self, entrant: Entrant) -> None:
        """Give up the lane, or the place in line; hints `lane` when that changed anything."""

    @abstractmethod
    async def holds(self, entrant: Entrant, fence: int) -> bool:
        """Whether the lane is this entrant's, under this fence, and the entrant still runs."""

    @abstractmethod
    async def called(self, waiting: Collection[Entrant]) -> set[Entrant]:
        """Those for whom `enter` would now say something else than "wait": next at a free lane, or refused.

        Takes no lock: one look a second for all waiters of a node.
        """


class Lanes(Entrances):
    @abstractmethod
    async def lanes(self, after: str = "", limit: int | None = None) -> list[LaneFacts]:
        """The lanes there ever were, by name, behind `after`, with who is inside and who waits; the dead are left out.

        At most `limit`; None: all.
        """
